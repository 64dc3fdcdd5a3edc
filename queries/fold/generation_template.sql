select
  template_id,
  spec_id
from set_states
where object_id = :object_id
  and generation = :generation
limit 1
