select min(observed_at) as observed_at
from set_states
where object_id = :object_id
  and terminating = 1
