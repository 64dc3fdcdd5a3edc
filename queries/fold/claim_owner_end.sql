select
  objects.kind,
  objects.deleted_at,
  objects.deleted_after,
  pod_runs.workload_uid,
  (
    select min(observed_at)
    from set_states
    where set_states.object_id = objects.id
      and set_states.terminating = 1
  ) as terminating_at
from objects
left join pod_runs
  on pod_runs.object_id = objects.id
where objects.uid = :uid
