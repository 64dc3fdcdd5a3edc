-- title: Which number each revision had at a time
-- description: The highest number that each ControllerRevision of a StatefulSet had got by a time: Kubernetes gives a
--   revision that is used again a higher one. A revision that was first seen later has the lowest it ever had.
-- parameters:
--   workload_uid: the incarnation
--   at: the time (RFC 3339); empty for now
-- columns:
--   name: the ControllerRevision's name
--   number: its number then
select
  revisions.name,
  coalesce(
    max(iif(:at = '' or coalesce(rollouts.started_at, revisions.observed_at) <= :at, revisions.number, null)),
    min(revisions.number)
  ) as number
from revisions
left join rollouts
  on rollouts.workload_uid = revisions.workload_uid
  and rollouts.number = revisions.number
  and rollouts.revision_uid = revisions.revision_uid
where revisions.workload_uid = :workload_uid
  and revisions.revision_uid <> ''
group by revisions.name
order by number desc
