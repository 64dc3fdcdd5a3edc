select min(
    case when revisions.trigger in ('found', 'adopted') then '' else revisions.observed_at end
  ) as since
from (
  select number, revision_uid
  from rollouts
  where workload_uid = :workload_uid
    and ended_at is null
  union all
  select number, revision_uid
  from rollouts
  where workload_uid = :workload_uid
    and ended_at >= :moment
) as reached
join revisions
  on revisions.workload_uid = :workload_uid
  and revisions.number = reached.number
  and revisions.revision_uid = reached.revision_uid
