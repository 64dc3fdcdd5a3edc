select
  set_states.*,
  specs.spec
from set_states
left join specs
  on specs.id = set_states.spec_id
where set_states.object_id = :object_id
  and set_states.resource_version < :version
  and set_states.generation <= :generation
order by set_states.resource_version desc
limit 1
