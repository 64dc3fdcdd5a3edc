-- title: Pods of a StatefulSet now
-- description: Every pod that a StatefulSet controls, at its newest recorded state.
-- parameters:
--   workload_uid: the incarnation
-- columns:
--   ordinal: the number at the end of its name
--   name: its name
--   revision: the revision its label names
--   number: that revision's number; null when it is not recorded
--   ready: 1 when it is ready
--   reason: why it is not, in Kubernetes' word
--   message: Kubernetes' sentence about that
--   phase: status.phase
--   restarts: restarts of its containers together
--   node: the node it runs on
--   created_at: creationTimestamp
--   ready_changed_at: when it last became ready or ceased to be
--   terminating_at: deletionTimestamp
--   uid: uid of the pod
--   namespace: its namespace
--   workload_uid: the incarnation
select
  pod_runs.ordinal,
  pod_runs.name,
  pod_runs.revision,
  (
    select max(revisions.number)
    from revisions
    where revisions.workload_uid = pod_runs.workload_uid
      and revisions.name = pod_runs.revision
  ) as number,
  pod_runs.ready,
  pod_runs.reason,
  pod_runs.message,
  pod_runs.phase,
  pod_runs.restarts,
  pod_runs.node,
  pod_runs.created_at,
  pod_runs.ready_changed_at,
  pod_runs.terminating_at,
  pod_runs.uid,
  pod_runs.namespace,
  pod_runs.workload_uid
from pod_runs
join pod_states
  on pod_states.object_id = pod_runs.object_id
  and pod_states.resource_version = (
    select max(newest.resource_version)
    from pod_states as newest
    where newest.object_id = pod_runs.object_id
  )
where pod_runs.workload_uid = :workload_uid
  and pod_states.owner_uid = :workload_uid
  and pod_runs.deleted_at is null
order by pod_runs.ordinal desc
