-- title: Who changed things
-- description: Each user with how many changes are theirs, how far that is proven, and how many of them lack a ticket
--   or were taken back; the busiest first.
-- parameters:
--   by: people, pipelines (service accounts), kubernetes (its own controllers), claimed (by a field manager's name
--     alone) or unknown; empty for all
--   namespace: the namespace; empty for all
--   since: at or after this time (RFC 3339); empty for any
--   until: before this time; empty for any
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   actor: who; null where nobody is known
--   by: people, pipelines, kubernetes, claimed or unknown
--   changes: how many changes they made
--   proven: of these, exact or strong
--   probable: of these, one request in the window
--   without_ticket: of these, with no ticket
--   taken_back: of these, undone later
--   last_at: the last
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
  timeline.actor,
  timeline.by,
  count(*) as changes,
  sum(timeline.basis in ('exact', 'strong')) as proven,
  sum(timeline.basis = 'probable') as probable,
  sum(timeline.ticket is null) as without_ticket,
  sum(rollouts.undone_by is not null) as taken_back,
  max(timeline.at) as last_at
from timeline
left join rollouts
  on rollouts.workload_uid = timeline.workload_uid
  and rollouts.number = timeline.number
  and rollouts.revision_uid = timeline.revision_uid
where timeline.what <> 'gap'
  and (:by = '' or timeline.by = :by)
  and (:namespace = '' or timeline.namespace = :namespace)
  and (:since = '' or timeline.at >= (select since from asked))
  and (:until = '' or timeline.at < (select until from asked))
group by
  timeline.actor,
  timeline.by
order by
  changes desc,
  timeline.actor
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
