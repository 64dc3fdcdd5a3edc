select min(number) as number
from (
  select number
  from rollouts
  where workload_uid = :workload_uid
    and ended_at is null
  union all
  select number
  from rollouts
  where workload_uid = :workload_uid
    and ended_at >= :moment
)
