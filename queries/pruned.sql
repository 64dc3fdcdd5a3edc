-- title: What the cluster no longer has
-- description: Revision numbers that kubectl rollout history no longer lists, since when and why, and whether the ledger
--   can still give their template. Newest loss first.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   why: the beginning of a reason, such as renumbered, history limit or set deleted; empty for all
--   since: pruned at or after this time (RFC 3339); empty for any
--   until: pruned before this time; empty for any
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   pruned_at: when the number was no longer to be found, or the upper bound of that time
--   namespace: the workload's namespace
--   workload: the workload's name
--   number: the revision number
--   pruned_why: renumbered, history limit, deleted by hand, set deleted, or left behind
--   summary: what the revision had changed
--   restorable: 1 when the full template can still be had
--   restorable_why: from where: live, sealed or recorded; or why not
--   pruned_after: the lower bound of that time, when it was not watched
--   observed_at: when the number was first seen
--   name: name of the ControllerRevision
--   workload_uid: the incarnation
--   position: the record it was first seen in
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
  revisions.pruned_at,
  workloads.namespace,
  workloads.name as workload,
  revisions.number,
  revisions.pruned_why,
  revisions.summary,
  revisions.restorable,
  revisions.restorable_why,
  revisions.pruned_after,
  revisions.observed_at,
  revisions.name,
  revisions.workload_uid,
  revisions.position
from workloads
cross join revisions
  on revisions.workload_uid = workloads.uid
where revisions.pruned_at is not null
  and (:namespace = '' or workloads.namespace = :namespace)
  and (:name = '' or workloads.name = :name)
  and (:why = '' or substr(revisions.pruned_why, 1, length(:why)) = :why)
  and (:since = '' or revisions.pruned_at >= (select since from asked))
  and (:until = '' or revisions.pruned_at < (select until from asked))
order by
  revisions.pruned_at desc,
  revisions.position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
