select
  said,
  position
from set_states
where object_id = :object_id
  and generation = :generation
order by resource_version
