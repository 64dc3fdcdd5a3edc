-- title: A StatefulSet's spec as it was then
-- description: The last recorded spec of an incarnation before another template took over, without its pod template.
-- parameters:
--   workload_uid: the incarnation
--   before_generation: the generation that took over; empty when it is not known
--   before_time: when that was (RFC 3339); empty for now
-- columns:
--   generation: its generation
--   observed_at: when it was seen
--   spec: the spec, JSON
--   position: its record
with asked as (
  select
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:before_time, 20)), 2, 7) || 'Z',
        substr(:before_time, 1, 19) || ltrim(substr(:before_time, 20), '.0123456789')
      ),
      :before_time
    ) as before_time
)
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
  and (:before_generation = '' or set_states.generation < cast(:before_generation as integer))
  and (:before_generation <> '' or :before_time = '' or set_states.observed_at < (select before_time from asked))
order by set_states.resource_version desc
limit 1
