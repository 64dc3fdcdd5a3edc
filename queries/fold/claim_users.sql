select distinct
  workloads.name
from mounts
join workloads
  on workloads.uid = mounts.workload_uid
where mounts.claim_uid = :uid
