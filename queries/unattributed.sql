-- title: Changes of unknown authors
-- description: Every change that no audit record and no admission stamp names an author of, newest first; where a field
--   manager gave itself a name, that. What Kubernetes did by itself is left out.
-- parameters:
--   namespace: the namespace; empty for all
--   since: at or after this time (RFC 3339); empty for any
--   until: before this time; empty for any
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   at: when we saw it
--   namespace: the workload's namespace
--   workload: its name
--   what: the trigger, or spec, deleted
--   number: the revision number, for revisions
--   summary: what changed
--   claimed: the field manager's name, which its client chose
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
  at,
  namespace,
  workload,
  what,
  number,
  summary,
  actor as claimed,
  workload_uid,
  position
from timeline
where by in ('unknown', 'claimed')
  and what not in ('platform', 'adopted')
  and (:namespace = '' or namespace = :namespace)
  and (:since = '' or at >= (select since from asked))
  and (:until = '' or at < (select until from asked))
order by
  at desc,
  position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
