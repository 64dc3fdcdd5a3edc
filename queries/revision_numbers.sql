-- title: Which number each revision had at a time
-- description: The number that each ControllerRevision of a StatefulSet had at a time, the last where it was gone by
--   then: Kubernetes gives a revision that is used again a higher one, and one that is made again after a deletion any.
--   A revision that was first seen later has the lowest it ever had.
-- parameters:
--   workload_uid: the incarnation
--   at: the time (RFC 3339); empty for now
-- columns:
--   name: the ControllerRevision's name
--   number: its number then
with asked as (
  select
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:at, 20)), 2, 7) || 'Z',
        substr(:at, 1, 19) || ltrim(substr(:at, 20), '.0123456789')
      ),
      :at
    ) as at
)
select
  revisions.name,
  coalesce(
    max(revisions.number) filter (
      where iif(
        :at = '',
        revisions.pruned_at is null,
        coalesce(rollouts.started_at, revisions.observed_at) <= (select at from asked)
          and coalesce(revisions.pruned_at, '9') > (select at from asked)
      )
    ),
    max(revisions.number) filter (
      where :at = '' or coalesce(rollouts.started_at, revisions.observed_at) <= (select at from asked)
    ),
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
