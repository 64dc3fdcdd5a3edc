-- title: The spec a StatefulSet began with
-- description: The first recorded spec of an incarnation, without its pod template.
-- parameters:
--   workload_uid: the incarnation
-- columns:
--   generation: its generation
--   observed_at: when it was seen
--   spec: the spec, JSON
--   actor: who created it with that, where it was seen to be created
--   impersonated: as whom, where the actor took another's name
--   basis: on what evidence the actor rests: exact, strong, probable, claimed or unknown
--   position: its record
select
  set_states.generation,
  set_states.observed_at,
  specs.spec,
  attributions.actor,
  nullif(attributions.impersonated, '') as impersonated,
  coalesce(attributions.basis, 'unknown') as basis,
  set_states.position
from objects
join set_states
  on set_states.object_id = objects.id
join specs
  on specs.id = set_states.spec_id
left join attributions
  on attributions.object_id = objects.id
  and attributions.what = 'write'
  and attributions.generation = set_states.generation
  and attributions.best = 1
where objects.uid = :workload_uid
order by set_states.resource_version
limit 1
