select min(number) as number
from (
  select coalesce(max(number), -1) as number
  from revision_states
  where owner_uid = :workload_uid
    and number < :number
  union all
  select min(number)
  from revision_states
  where owner_uid = :workload_uid
    and resource_version > :version
)
