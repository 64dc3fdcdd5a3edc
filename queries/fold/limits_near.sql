select history_limit, current_revision, update_revision
from set_states
where object_id = :object_id
  and observed_at <= :until_at
order by resource_version desc
limit 2
