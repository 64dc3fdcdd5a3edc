-- title: Everything that changed
-- description: One fleet timeline: every revision, undo, restart and deletion, every change of a spec that made no
--   revision, and every gap in the recording, newest first. The first question of an incident.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   since: at or after this time (RFC 3339); empty for any
--   until: before this time; empty for any
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   at: when we saw it
--   namespace: the namespace; empty for what concerns all
--   workload: the StatefulSet's name
--   what: the trigger, or spec, or deleted, or gap
--   number: the revision number, for revisions
--   generation: the generation that has it, for changes of the spec
--   summary: what changed
--   actor: who did it, where known
--   basis: on what evidence the actor rests
--   change_cause: the cause that belongs to this change; null when it is stale
--   ticket: the ticket given with it
--   workload_uid: the incarnation
--   position: the record it was seen in
select *
from (
  select
    revisions.observed_at as at,
    workloads.namespace,
    workloads.name as workload,
    revisions.trigger as what,
    revisions.number,
    revisions.generation,
    revisions.summary,
    null as actor,
    'unknown' as basis,
    case
      when revisions.change_cause_state in ('fresh', 'late') then revisions.change_cause
    end as change_cause,
    revisions.ticket,
    revisions.workload_uid,
    revisions.position
  from revisions
  join workloads
    on workloads.uid = revisions.workload_uid
  where revisions.trigger not in ('found', 'unseen')
  union all
  select
    spec_changes.observed_at,
    workloads.namespace,
    workloads.name,
    'spec',
    null,
    spec_changes.generation,
    group_concat(spec_changes.summary, ', '),
    null,
    'unknown',
    null,
    null,
    spec_changes.workload_uid,
    spec_changes.position
  from spec_changes
  join workloads
    on workloads.uid = spec_changes.workload_uid
  group by
    spec_changes.workload_uid,
    spec_changes.generation
  union all
  select
    workloads.deleted_at,
    workloads.namespace,
    workloads.name,
    'deleted',
    null,
    null,
    case workloads.deleted_how
      when 'observed' then 'the StatefulSet was deleted'
      else 'the StatefulSet was deleted after ' || coalesce(workloads.deleted_after, 'its creation')
    end,
    null,
    'unknown',
    null,
    null,
    workloads.uid,
    null
  from workloads
  where workloads.deleted_at is not null
  union all
  select
    gaps.opened_at,
    case gaps.scope when '*' then '' else gaps.scope end,
    '',
    'gap',
    null,
    null,
    gap_stories.story,
    null,
    'unknown',
    null,
    null,
    null,
    gaps.position
  from gaps
  join gap_stories
    on gap_stories.id = gaps.id
)
where (:namespace = '' or namespace = :namespace)
  and (:name = '' or workload = :name)
  and (:since = '' or at >= :since)
  and (:until = '' or at < :until)
order by
  at desc,
  position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
