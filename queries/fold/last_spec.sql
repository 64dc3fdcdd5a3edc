select specs.spec
from objects
join set_states
  on set_states.object_id = objects.id
join specs
  on specs.id = set_states.spec_id
where objects.uid = :uid
order by set_states.resource_version desc
limit 1
