select distinct revision_uid
from revisions
where workload_uid = :workload_uid
  and pruned_at >= :since
