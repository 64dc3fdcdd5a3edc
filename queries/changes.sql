-- title: Everything that changed
-- description: One fleet timeline: every revision, undo, restart and deletion, every change of a spec that made no
--   revision, and every gap in the recording, newest first. The first question of an incident.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   since: at or after this time (RFC 3339); empty for any
--   until: before this time; empty for any
--   actor: only what this user did, or was done as them; empty for all
--   by: people, pipelines (service accounts), kubernetes (its own controllers), claimed (by a field manager's name
--     alone) or unknown; empty for all
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   at: when we saw it
--   namespace: the namespace; empty for what concerns all
--   workload: the StatefulSet's name
--   what: the trigger, or spec, deleted, pod deleted, pod evicted, claim deleted, or gap
--   number: the revision number, for revisions
--   generation: the generation that has it, for changes of the spec
--   summary: what changed
--   actor: who did it, where known
--   impersonated: as whom, where the actor took another's name
--   basis: on what evidence the actor rests: exact, strong, probable, claimed or unknown
--   change_cause: the cause that belongs to this change; null when it is stale
--   ticket: the ticket given with it, as claimed
--   ticket_source: undo, annotation, or note: added later
--   reason: the reason given with our undo
--   workload_uid: the incarnation
--   position: the record it was seen in
--   change_id: what a report calls it
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
  at,
  namespace,
  workload,
  what,
  number,
  generation,
  summary,
  actor,
  impersonated,
  basis,
  change_cause,
  ticket,
  ticket_source,
  reason,
  workload_uid,
  position,
  change_id
from timeline
where (:namespace = '' or namespace = :namespace)
  and (:name = '' or workload = :name)
  and (:since = '' or at >= (select since from asked))
  and (:until = '' or at < (select until from asked))
  and (:actor = '' or :actor in (actor, impersonated))
  and (:by = '' or by = :by)
order by
  at desc,
  position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
