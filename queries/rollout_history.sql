-- title: Rollouts
-- description: What became of every revision: when its rollout began, when it was stuck and on what, when every pod was
--   available on it, and what ended it. Newest first.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   workload_uid: only this incarnation; empty for all
--   label: only this number, or a label such as 3~1a2b; empty for all
--   phase: progressing, staged, settling, stalled, complete, superseded, undone, deleted or unobserved; open for the
--     first four; empty for all
--   since: started at or after this time (RFC 3339); empty for any
--   until: started before this time; empty for any
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   id: the rollout: namespace/name/number
--   namespace: the workload's namespace
--   workload: its name
--   number: the revision number
--   label: the number as shown
--   from_number: the revision number before it; null for the first
--   phase: what it is doing, or what became of it
--   trigger: why the revision came to be
--   summary: what it changed
--   actor: who did it, where known
--   impersonated: as whom, where the actor took another's name
--   basis: on what evidence the actor rests: exact, strong, probable, claimed or unknown
--   started_at: when its spec write was seen; null when nobody saw it
--   stalled_at: when it was first stuck; null when it never was
--   finished_at: when every pod was available on it
--   took_seconds: from start to finish; null where one of them fell into a gap of the recording
--   ended_at: when it was complete, was overtaken, or its StatefulSet was deleted
--   undone_by: the number that took it back to where it came from
--   wanted: pods the spec asked for, at the last judgement
--   targeted: pods the controller would move by itself
--   updated: pods that were on it
--   blocking_pod: the pod that held it up when it was last judged stuck
--   blocking_reason: Kubernetes' word for why
--   blocking_message: Kubernetes' sentence about it
--   blocking_since: since when
--   trap: 1 when only deleting that pod helps (kubernetes#67250)
--   workload_uid: the incarnation
--   revision_uid: uid of the ControllerRevision
--   revision_name: its name
--   min_ready_seconds: the workload's minReadySeconds now
with asked as (
  select
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:since, 20)), 2, 7) || 'Z',
        substr(:since, 1, 19) || ltrim(substr(:since, 20), '.0123456789')
      ),
      :since
    ) as since,
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:until, 20)), 2, 7) || 'Z',
        substr(:until, 1, 19) || ltrim(substr(:until, 20), '.0123456789')
      ),
      :until
    ) as until
)
select
  workloads.label || '/' || rollouts.label as id,
  workloads.namespace,
  workloads.name as workload,
  rollouts.number,
  rollouts.label,
  rollouts.from_number,
  rollouts.phase,
  revisions.trigger,
  revisions.summary,
  credits.actor,
  credits.impersonated,
  credits.basis,
  rollouts.started_at,
  rollouts.stalled_at,
  rollouts.finished_at,
  (
    select round(durations.seconds, 3)
    from durations
    where durations.workload_uid = rollouts.workload_uid
      and durations.revision_uid = rollouts.revision_uid
      and durations.number = rollouts.number
  ) as took_seconds,
  rollouts.ended_at,
  rollouts.undone_by,
  rollouts.wanted,
  rollouts.targeted,
  rollouts.updated,
  rollouts.blocking_pod,
  rollouts.blocking_reason,
  rollouts.blocking_message,
  rollouts.blocking_since,
  rollouts.trap,
  rollouts.workload_uid,
  rollouts.revision_uid,
  rollouts.name as revision_name,
  workloads.min_ready_seconds
from workloads
cross join rollouts
  on rollouts.workload_uid = workloads.uid
cross join revisions
  on revisions.workload_uid = rollouts.workload_uid
  and revisions.number = rollouts.number
  and revisions.revision_uid = rollouts.revision_uid
cross join credits
  on credits.workload_uid = rollouts.workload_uid
  and credits.number = rollouts.number
  and credits.revision_uid = rollouts.revision_uid
where (:namespace = '' or workloads.namespace = :namespace)
  and (:name = '' or workloads.name = :name)
  and (:workload_uid = '' or workloads.uid = :workload_uid)
  and (:label = '' or rollouts.label = :label or cast(rollouts.number as text) = :label)
  and (
    :phase = ''
    or rollouts.phase = :phase
    or :phase = 'open'
    and rollouts.phase in ('progressing', 'staged', 'settling', 'stalled')
  )
  and (:since = '' or revisions.observed_at >= (select since from asked))
  and (:until = '' or revisions.observed_at < (select until from asked))
order by
  revisions.observed_at desc,
  rollouts.number desc,
  revisions.position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
