-- title: One rollout, ordinal by ordinal
-- description: Every pod that was made for a rollout: when the one before it began to go, when it was created, given a
--   node, started and first ready, and how long that took.
-- parameters:
--   workload_uid: the incarnation
--   number: the revision number
-- columns:
--   ordinal: the number at the end of the pod's name
--   pod: its name
--   replaced: uid of the pod of that name before it; null when there was none
--   going_at: when that one was first seen to be going
--   gone_at: when it was gone
--   created_at: when this one was created
--   scheduled_at: when it was given a node
--   started_at: when the kubelet took it on
--   ready_at: when it was first ready; null when it never was
--   took_seconds: from the going of the one before, or its own creation, until ready
--   ready_seconds: from its creation until ready
--   restarts: restarts of its containers together
--   last_reason: the last reason why it was not ready
--   node: the node it ran on
--   deleted_at: when it was gone itself
--   uid: uid of the pod
with span as (
  select
    rollouts.name,
    coalesce(rollouts.started_at, '') as began_at,
    min(
      coalesce(rollouts.ended_at, '9'),
      coalesce(
        (
          select min(later.started_at)
          from rollouts as later
          where later.workload_uid = rollouts.workload_uid
            and later.started_at > rollouts.started_at
        ),
        '9'
      )
    ) as until_at
  from rollouts
  where rollouts.workload_uid = :workload_uid
    and cast(rollouts.number as text) = :number
)
select
  pod_runs.ordinal,
  pod_runs.name as pod,
  before.uid as replaced,
  before.going_at,
  before.deleted_at as gone_at,
  pod_runs.created_at,
  pod_runs.scheduled_at,
  pod_runs.started_at,
  pod_runs.ready_at,
  round(
    (
      julianday(pod_runs.ready_at)
      - julianday(min(coalesce(before.going_at, pod_runs.created_at), pod_runs.created_at))
    ) * 86400,
    3
  ) as took_seconds,
  round(
    (julianday(pod_runs.ready_at) - julianday(pod_runs.created_at)) * 86400, 3
  ) as ready_seconds,
  pod_runs.restarts,
  pod_runs.last_reason,
  pod_runs.node,
  pod_runs.deleted_at,
  pod_runs.uid
from span
join pod_runs
  on pod_runs.workload_uid = :workload_uid
  and pod_runs.made_revision = span.name
  and pod_runs.created_at >= substr(span.began_at, 1, 19)
  and pod_runs.created_at < span.until_at
left join (
  select
    pod_runs.uid,
    pod_runs.deleted_at,
    (
      select min(pod_states.observed_at)
      from pod_states
      where pod_states.object_id = pod_runs.object_id
        and pod_states.terminating_at is not null
    ) as going_at
  from pod_runs
) as before
  on before.uid = (
    select earlier.uid
    from pod_runs as earlier
    where earlier.namespace = pod_runs.namespace
      and earlier.name = pod_runs.name
      and earlier.uid <> pod_runs.uid
      and earlier.observed_at < pod_runs.observed_at
      -- one that was gone before has not been replaced
      and coalesce(earlier.deleted_at, '9') >= span.began_at
    order by earlier.observed_at desc
    limit 1
  )
order by
  pod_runs.created_at,
  pod_runs.ordinal desc
