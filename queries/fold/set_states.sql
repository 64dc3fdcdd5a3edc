select *
from set_states
where object_id = :object_id
  and generation >= :since_generation
order by resource_version
