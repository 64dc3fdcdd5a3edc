-- title: What a StatefulSet can be set back to
-- description: Every number that a StatefulSet's revisions ever had, over all incarnations of its name, with what an
--   undo goes by: whether a pod became ready on it, when it was complete, and whether it stayed healthy.
-- parameters:
--   namespace: the namespace
--   name: the StatefulSet's name
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   workload_uid: the incarnation
--   revision_uid: uid of the ControllerRevision; empty for numbers nobody saw
--   number: the revision number
--   label: the number as shown: "3", or "3~1a2b" where a number was used twice
--   name: the ControllerRevision's name
--   trigger: why it came to be
--   summary: what changed
--   template_digest: SHA-256 of the recorded template; null for one nobody saw
--   generation: the StatefulSet generation that caused it
--   observed_at: when it was first seen
--   phase: what became of its rollout
--   ready_at: when a pod of this incarnation was first ready on it; null when none is known to have been
--   finished_at: when every pod was available on it; null when that was never seen
--   broke_at: when a pod was first seen in trouble after that; null when none was
--   pruned_at: when the number was no longer to be found in the cluster
--   created_at: when the incarnation was created
--   deleted_at: when the incarnation was deleted
select
  workloads.uid as workload_uid,
  revisions.revision_uid,
  revisions.number,
  revisions.label,
  revisions.name,
  revisions.trigger,
  revisions.summary,
  templates.digest as template_digest,
  revisions.generation,
  revisions.observed_at,
  coalesce(rollouts.phase, 'unobserved') as phase,
  (
    select min(pod_runs.ready_at)
    from pod_runs
    where pod_runs.workload_uid = workloads.uid
      and pod_runs.revision = revisions.name
  ) as ready_at,
  rollouts.finished_at,
  (
    select min(pod_states.observed_at)
    from pod_owners
    join pod_states
      on pod_states.object_id = pod_owners.object_id
    join objects
      on objects.id = pod_owners.object_id
    left join pod_runs
      on pod_runs.uid = objects.uid
    where pod_owners.owner_uid = workloads.uid
      and pod_states.revision = revisions.name
      and pod_states.ready = 0
      and pod_states.terminating_at is null
      and pod_states.observed_at > rollouts.finished_at
      and (pod_states.reason <> '' or pod_states.observed_at > pod_runs.ready_at)
  ) as broke_at,
  revisions.pruned_at,
  workloads.created_at,
  workloads.deleted_at
from workloads
cross join revisions
  on revisions.workload_uid = workloads.uid
left join rollouts
  on rollouts.workload_uid = revisions.workload_uid
  and rollouts.number = revisions.number
  and rollouts.revision_uid = revisions.revision_uid
left join templates
  on templates.id = revisions.template_id
where workloads.namespace = :namespace
  and workloads.name = :name
order by
  workloads.created_at,
  workloads.uid,
  revisions.number,
  revisions.position
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
