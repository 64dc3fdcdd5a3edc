-- title: Changes for a report
-- description: Every change of a period with what an auditor asks of it: when, what, who and how we know, its ticket and
--   approver, how it went, and what came of it. Oldest first.
-- parameters:
--   namespace: the namespace; empty for all
--   since: at or after this time (RFC 3339); empty for any
--   until: before this time; empty for any
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
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
--   duration_s: seconds between, where both were seen as they happened
--   outcome: what became of the rollout
--   actor: who did it
--   impersonated: as whom
--   basis: on what evidence: exact, strong, probable, claimed or unknown
--   actor_source: audit, stamp or manager: what that evidence is
--   audit_id: the API server's id of the request
--   requested_at: when the API server received the request
--   response_code: how it answered
--   addresses: where the request came from, JSON
--   user_agent: the client, by its own word
--   ticket: as claimed
--   ticket_source: undo, annotation, or note: added later
--   approver: as claimed
--   approver_source: annotation, or note: added later
--   commit_id: the commit, as claimed by an annotation
--   pipeline: the pipeline, as claimed by an annotation
--   reason: the reason given with our undo
--   change_cause: the cause that belongs to it
--   notes: what was added later, with who said it and when
--   summary: what changed
--   spec_fields: paths of the fields outside the template that changed
--   images_before: what ran before
--   images_after: what runs since
--   template_before: the pod template before, JSON, redacted
--   template_after: the pod template since, JSON, redacted
--   template_sha256: digest of the recorded template
--   undo_of: the number it brought back
--   undone_by: the number that took it back
--   undone_after_s: seconds until then
--   write_record: the record of the StatefulSet that first had it
--   actor_record: the record that names the actor
--   record: the record it was seen in
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
  timeline.change_id,
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
  (
    select round(durations.seconds, 3)
    from durations
    where durations.workload_uid = rollouts.workload_uid
      and durations.revision_uid = rollouts.revision_uid
      and durations.number = rollouts.number
  ) as duration_s,
  rollouts.phase as outcome,
  timeline.actor,
  timeline.impersonated,
  timeline.basis,
  timeline.actor_source,
  actions.audit_id,
  actions.received_at as requested_at,
  actions.code as response_code,
  actions.addresses,
  actions.agent as user_agent,
  timeline.ticket,
  timeline.ticket_source,
  timeline.approver,
  timeline.approver_source,
  (
    select first_said.said
    from objects
    join first_said
      on first_said.object_id = objects.id
      and first_said.generation = timeline.generation
      and first_said.role = 'commit'
    where objects.uid = timeline.workload_uid
      and timeline.what not in ('platform', 'adopted')
  ) as commit_id,
  (
    select first_said.said
    from objects
    join first_said
      on first_said.object_id = objects.id
      and first_said.generation = timeline.generation
      and first_said.role = 'pipeline'
    where objects.uid = timeline.workload_uid
      and timeline.what not in ('platform', 'adopted')
  ) as pipeline,
  timeline.reason,
  timeline.change_cause,
  (
    select group_concat(said, '; ')
    from (
      select
        notes.said_at || ' ' || notes.said_by || ':' || coalesce(' ticket ' || notes.ticket, '')
          || coalesce(' approver ' || notes.approver, '') || coalesce(' ' || notes.message, '') as said
      from notes
      where notes.workload_uid = revisions.workload_uid
        and notes.number = revisions.number
        and notes.revision_uid = revisions.revision_uid
      order by notes.position
    )
  ) as notes,
  timeline.summary,
  (
    select group_concat(field, '; ')
    from (
      select spec_changes.field
      from spec_changes
      where timeline.what = 'spec'
        and spec_changes.workload_uid = timeline.workload_uid
        and spec_changes.generation = timeline.generation
      order by spec_changes.field
    )
  ) as spec_fields,
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
          select min(+undoing.observed_at)
          from revisions as undoing
          where undoing.workload_uid = timeline.workload_uid
            and undoing.number = rollouts.undone_by
            and +undoing.observed_at >= timeline.at
        )
      ) - julianday(timeline.at)
    ) * 86400,
    3
  ) as undone_after_s,
  (
    select min(set_states.position)
    from objects
    join set_states
      on set_states.object_id = objects.id
      and set_states.generation = timeline.generation
    where objects.uid = timeline.workload_uid
      and timeline.what <> 'imported'
  ) as write_record,
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
left join predecessors
  on predecessors.workload_uid = revisions.workload_uid
  and predecessors.number = revisions.number
  and predecessors.revision_uid = revisions.revision_uid
left join templates as before
  on before.id = predecessors.template_id
left join actions
  on actions.position = timeline.actor_position
  and timeline.actor_source = 'audit'
where timeline.what <> 'gap'
  and (:namespace = '' or timeline.namespace = :namespace)
  and (:since = '' or timeline.at >= (select since from asked))
  and (:until = '' or timeline.at < (select until from asked))
order by
  timeline.at,
  timeline.position,
  timeline.change_id
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
