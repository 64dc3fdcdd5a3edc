select max(number) as number
from revision_states
where owner_uid = :workload_uid
  and number < :number
