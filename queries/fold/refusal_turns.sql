select *
from refusals
where workload_uid = :workload_uid
  and observed_at < :until
  and last_at >= substr(:since, 1, 19)
