select *
from claim_states
where object_id = :object_id
  and resource_version < :version
order by resource_version desc
limit 1
