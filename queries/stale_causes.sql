-- title: Change causes that speak of another change
-- description: Revisions whose change cause the controller copied from an earlier one, so that kubectl rollout history
--   tells the wrong story, with the revision that the cause was written for.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   live: "1" for only those that kubectl lists now; empty for all
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   observed_at: when the revision was first seen
--   namespace: the workload's namespace
--   workload: the workload's name
--   number: the revision number
--   summary: what it really changed
--   change_cause: what kubectl says of it
--   written_for: the newest number at or below it that the cause was written for; null when nobody saw that
--   trigger: why the revision came to be
--   live: 1 when kubectl rollout history lists it
--   workload_uid: the incarnation
--   position: the record it was seen in
select
  revisions.observed_at,
  workloads.namespace,
  workloads.name as workload,
  revisions.number,
  revisions.summary,
  revisions.change_cause,
  (
    select lower.number
    from revisions as lower
    where lower.workload_uid = revisions.workload_uid
      and lower.number <= revisions.number
      and lower.change_cause = revisions.change_cause
      and lower.change_cause_state in ('fresh', 'late')
    order by lower.number desc
    limit 1
  ) as written_for,
  revisions.trigger,
  revisions.live,
  revisions.workload_uid,
  revisions.position
from workloads
cross join revisions
  on revisions.workload_uid = workloads.uid
where revisions.change_cause_state = 'stale'
  and (:namespace = '' or workloads.namespace = :namespace)
  and (:name = '' or workloads.name = :name)
  and (:live = '' or revisions.live = cast(:live as integer))
order by
  revisions.observed_at desc,
  revisions.position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
