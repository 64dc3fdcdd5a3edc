select resource_version as version
from pod_states
where object_id = :object_id
  and resource_version > :version
order by resource_version
limit 1
