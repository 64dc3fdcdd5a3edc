-- title: What was refused to a StatefulSet's controller
-- description: Pods and claims that the API server did not let the controller make, and that are still missing.
-- parameters:
--   workload_uid: the incarnation
-- columns:
--   pod: the pod's name
--   reason: the Event's reason
--   message: what the API server said
--   times: how often
--   first_at: when first
--   last_at: when last
--   workload_uid: the incarnation
select
  refusals.pod,
  refusals.reason,
  refusals.message,
  refusals.times,
  refusals.first_at,
  refusals.last_at,
  refusals.workload_uid
from refusals
join objects
  on objects.id = refusals.object_id
  and objects.deleted_at is null
where refusals.workload_uid = :workload_uid
  and not exists (
    select 1
    from pod_runs
    where pod_runs.workload_uid = :workload_uid
      and pod_runs.name = refusals.pod
      and pod_runs.created_at >= refusals.last_at
  )
order by refusals.last_at
