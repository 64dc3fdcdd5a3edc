select min(generation) as generation
from set_states
where object_id = :object_id
  and generation > :generation
