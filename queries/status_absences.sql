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
select
  'spec' as what,
  objects.name,
  min(set_states.observed_at) as at
from objects
join set_states
  on set_states.object_id = objects.id
where objects.uid = :workload_uid
  and set_states.generation = cast(:generation as integer)
  and set_states.observed_at <= :at
having at is not null
union all
select
  'pod' as what,
  pod_runs.name,
  max(pod_runs.deleted_at) as at
from pod_runs
where pod_runs.workload_uid = :workload_uid
  and pod_runs.deleted_at <= :at
group by pod_runs.name
