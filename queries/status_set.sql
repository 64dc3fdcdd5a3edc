-- title: A StatefulSet's rollout now
-- description: The newest recorded state of a StatefulSet and of the rollout to its newest revision.
-- parameters:
--   workload_uid: the incarnation
-- columns:
--   namespace: its namespace
--   name: its name
--   workload_uid: the incarnation
--   generation: metadata.generation
--   observed_generation: status.observedGeneration
--   replicas: spec.replicas
--   strategy: spec.updateStrategy.type
--   has_rolling_update: 1 when spec.updateStrategy.rollingUpdate is there
--   update_partition: the rolling update's partition
--   max_unavailable: the rolling update's maxUnavailable
--   pod_management: spec.podManagementPolicy
--   ordinals_start: spec.ordinals.start
--   min_ready_seconds: spec.minReadySeconds
--   when_deleted: spec.persistentVolumeClaimRetentionPolicy.whenDeleted
--   when_scaled: spec.persistentVolumeClaimRetentionPolicy.whenScaled
--   current_revision: status.currentRevision
--   update_revision: status.updateRevision
--   pods: status.replicas
--   ready_pods: status.readyReplicas
--   available_pods: status.availableReplicas
--   current_pods: status.currentReplicas
--   updated_pods: status.updatedReplicas
--   terminating: 1 when it has a deletionTimestamp
--   deleted_at: when it was deleted
--   number: the number of the update revision
--   from_number: the number before it
--   phase: what the rollout was last judged to be doing
--   started_at: when its spec write was seen
--   stalled_at: when it was first stuck
--   finished_at: when it was complete
--   now: the newest record time
select
  workloads.namespace,
  workloads.name,
  workloads.uid as workload_uid,
  workloads.generation,
  workloads.observed_generation,
  workloads.replicas,
  workloads.strategy,
  workloads.has_rolling_update,
  workloads.update_partition,
  workloads.max_unavailable,
  workloads.pod_management,
  workloads.ordinals_start,
  workloads.min_ready_seconds,
  workloads.when_deleted,
  workloads.when_scaled,
  workloads.current_revision,
  workloads.update_revision,
  workloads.pods,
  workloads.ready_pods,
  workloads.available_pods,
  workloads.current_pods,
  workloads.updated_pods,
  workloads.terminating,
  workloads.deleted_at,
  rollouts.number,
  rollouts.from_number,
  rollouts.phase,
  rollouts.started_at,
  rollouts.stalled_at,
  rollouts.finished_at,
  progress.now
from workloads
join progress
left join rollouts
  on rollouts.workload_uid = workloads.uid
  and rollouts.number = (
    select max(newest.number)
    from rollouts as newest
    where newest.workload_uid = workloads.uid
      and newest.name = workloads.update_revision
  )
where workloads.uid = :workload_uid
limit 1
