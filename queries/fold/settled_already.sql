select 1
from set_states
where object_id = :object_id
  and generation = :generation
  and update_revision = :update_revision
  and settled = 1
limit 1
