select
  set_states.*,
  specs.spec,
  objects.uid,
  objects.namespace,
  objects.name
from set_states
join objects
  on objects.id = set_states.object_id
left join specs
  on specs.id = set_states.spec_id
where set_states.object_id = :object_id
  and set_states.generation = :generation
order by set_states.resource_version
limit 1
