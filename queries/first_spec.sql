-- title: The spec a StatefulSet began with
-- description: The first recorded spec of an incarnation, without its pod template.
-- parameters:
--   workload_uid: the incarnation
-- columns:
--   generation: its generation
--   observed_at: when it was seen
--   spec: the spec, JSON
--   position: its record
select
  set_states.generation,
  set_states.observed_at,
  specs.spec,
  set_states.position
from objects
join set_states
  on set_states.object_id = objects.id
join specs
  on specs.id = set_states.spec_id
where objects.uid = :workload_uid
order by set_states.resource_version
limit 1
