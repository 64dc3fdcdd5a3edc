-- title: Rollouts that did not complete
-- description: Revisions that never ran on every pod: replaced before they could (superseded), gone with their
--   StatefulSet (deleted), undone, held behind a partition or OnDelete (staged), stuck (stalled), waiting for
--   minReadySeconds (settling), or still on their way (progressing), and what came after them.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   status: superseded, undone, deleted, staged, stalled, settling or progressing; empty for all
--   since: at or after this time (RFC 3339); empty for any
--   until: before this time; empty for any
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   observed_at: when the revision was first seen
--   namespace: the workload's namespace
--   workload: the workload's name
--   number: the revision number
--   status: what became of the rollout
--   trigger: why the revision came to be
--   summary: what it changed
--   next_number: the revision that came after it; null when there is none
--   next_trigger: why that one came to be: an undo says that this one failed
--   next_at: when that one was first seen
--   actor: who did it, where known
--   basis: on what evidence the actor rests
--   change_cause: the cause that belongs to this change; null when it is stale
--   ticket: the ticket given with it
--   workload_uid: the incarnation
--   position: the record it was seen in
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
  revisions.observed_at,
  workloads.namespace,
  workloads.name as workload,
  revisions.number,
  rollouts.phase as status,
  revisions.trigger,
  revisions.summary,
  later.number as next_number,
  later.trigger as next_trigger,
  later.observed_at as next_at,
  null as actor,
  'unknown' as basis,
  case
    when revisions.change_cause_state in ('fresh', 'late') then revisions.change_cause
  end as change_cause,
  revisions.ticket,
  revisions.workload_uid,
  revisions.position
from workloads
cross join revisions
  on revisions.workload_uid = workloads.uid
join rollouts
  on rollouts.workload_uid = revisions.workload_uid
  and rollouts.number = revisions.number
  and rollouts.revision_uid = revisions.revision_uid
left join revisions as later
  on later.rowid = (
    select above.rowid
    from revisions as above
    where above.workload_uid = revisions.workload_uid
      and above.trigger not in ('found', 'adopted', 'unseen')
      and (above.observed_at, above.position) > (revisions.observed_at, revisions.position)
    order by
      above.observed_at,
      above.position
    limit 1
  )
where rollouts.phase not in ('complete', 'unobserved')
  and (:status = '' or rollouts.phase = :status)
  and (:namespace = '' or workloads.namespace = :namespace)
  and (:name = '' or workloads.name = :name)
  and (:since = '' or revisions.observed_at >= (select since from asked))
  and (:until = '' or revisions.observed_at < (select until from asked))
order by
  revisions.observed_at desc,
  revisions.position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
