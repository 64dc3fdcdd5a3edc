select
  pod_runs.uid,
  pod_runs.deleted_at,
  pod_runs.resource_version
from pod_owners
join pod_runs
  on pod_runs.object_id = pod_owners.object_id
where pod_owners.owner_uid = :workload_uid
  and pod_owners.gone_at >= :since
  and pod_owners.gone_at < :until
