-- title: Changes for a report
-- description: Every change of a period with what an auditor asks of it: when, what, who and how we know, its ticket,
--   how it went, and what came of it. Oldest first.
-- parameters:
--   namespace: the namespace; empty for all
--   since: at or after this time (RFC 3339); empty for any
--   until: before this time; empty for any
-- columns:
--   change_id: stable id of the change
--   namespace: the workload's namespace
--   workload: the workload's name
--   workload_uid: uid of the incarnation
--   what: the trigger, or spec, deleted, pod deleted, pod evicted, claim deleted, imported
--   revision_from: the revision number before
--   revision_to: the revision number since
--   generation: the generation it made
--   at: when it was seen
--   started_at: when its rollout began
--   finished_at: when every pod was available on it
--   duration_s: seconds between
--   outcome: what became of the rollout
--   actor: who did it
--   impersonated: as whom
--   basis: on what evidence
--   ticket: as claimed
--   approver: as claimed
--   reason: the reason given with our undo
--   change_cause: the cause that belongs to it
--   summary: what changed
--   images_before: what ran before
--   images_after: what runs since
--   template_before: the pod template before, JSON, redacted
--   template_after: the pod template since, JSON, redacted
--   template_sha256: digest of the recorded template
--   undo_of: the number it brought back
--   undone_by: the number that took it back
--   undone_after_s: seconds until then
--   gap: the recording gap it lies in; null when it was watched
--   actor_record: the record that names the actor
--   record: the record it was seen in
select
  coalesce(timeline.workload_uid, '') || '/' || coalesce(
    timeline.label,
    'g' || timeline.generation,
    timeline.what || '/' || coalesce(timeline.position, '')
  ) as change_id,
  timeline.namespace,
  timeline.workload,
  timeline.workload_uid,
  timeline.what,
  revisions.previous as revision_from,
  timeline.number as revision_to,
  timeline.generation,
  timeline.at,
  rollouts.started_at,
  rollouts.finished_at,
  round((julianday(rollouts.finished_at) - julianday(rollouts.started_at)) * 86400, 3) as duration_s,
  rollouts.phase as outcome,
  timeline.actor,
  timeline.impersonated,
  timeline.basis,
  timeline.ticket,
  (
    select said.said
    from said
    where said.workload_uid = timeline.workload_uid
      and said.role = 'approver'
      and (
        said.generation = timeline.generation
        or said.number = timeline.number
        and said.revision_uid = timeline.revision_uid
      )
    order by
      said.source,
      said.position desc
    limit 1
  ) as approver,
  timeline.reason,
  timeline.change_cause,
  timeline.summary,
  before.images as images_before,
  templates.images as images_after,
  before.template as template_before,
  templates.template as template_after,
  templates.digest as template_sha256,
  revisions.undo_of,
  rollouts.undone_by,
  round(
    (
      julianday(
        (
          select min(undoing.observed_at)
          from revisions as undoing
          where undoing.workload_uid = timeline.workload_uid
            and undoing.number = rollouts.undone_by
        )
      ) - julianday(timeline.at)
    ) * 86400,
    3
  ) as undone_after_s,
  (
    select min(gaps.id)
    from gaps
    where gaps.kind in ('*', 'statefulsets', 'controllerrevisions')
      and timeline.at > gaps.last_seen_at
      and timeline.at <= coalesce(gaps.closed_at, '~')
  ) as gap,
  timeline.actor_position as actor_record,
  timeline.position as record
from timeline
left join revisions
  on revisions.workload_uid = timeline.workload_uid
  and revisions.number = timeline.number
  and revisions.revision_uid = timeline.revision_uid
left join rollouts
  on rollouts.workload_uid = revisions.workload_uid
  and rollouts.number = revisions.number
  and rollouts.revision_uid = revisions.revision_uid
left join templates
  on templates.id = revisions.template_id
left join templates as before
  on before.id = (
    select lower.template_id
    from revisions as lower
    where lower.workload_uid = revisions.workload_uid
      and lower.number = revisions.previous
    order by lower.position desc
    limit 1
  )
where timeline.what <> 'gap'
  and (:namespace = '' or timeline.namespace = :namespace)
  and (:since = '' or timeline.at >= :since)
  and (:until = '' or timeline.at < :until)
order by
  timeline.at,
  timeline.position,
  change_id
