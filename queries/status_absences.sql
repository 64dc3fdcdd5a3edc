-- title: Since when pods of a StatefulSet may be missing
-- description: When a generation of a StatefulSet was first seen, and when the last pod of each name ended.
-- parameters:
--   workload_uid: the incarnation
--   generation: the generation
--   at: what happened later is left out (RFC 3339)
-- columns:
--   what: spec or pod
--   name: the object's name
--   at: when the generation was first seen, or the last pod of that name ended
with asked as (
  select
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:at, 20)), 2, 7) || 'Z',
        substr(:at, 1, 19) || ltrim(substr(:at, 20), '.0123456789')
      ),
      :at
    ) as at
)
select
  'spec' as what,
  objects.name,
  min(set_states.observed_at) as at
from objects
join set_states
  on set_states.object_id = objects.id
where objects.uid = :workload_uid
  and set_states.generation = cast(:generation as integer)
  and set_states.observed_at <= (select at from asked)
having at is not null
union all
select
  'pod' as what,
  pod_runs.name,
  max(pod_runs.deleted_at) as at
from pod_runs
where pod_runs.workload_uid = :workload_uid
  and pod_runs.deleted_at <= (select at from asked)
group by pod_runs.name
