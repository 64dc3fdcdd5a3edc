select
  pod_states.*,
  pod_runs.uid,
  pod_runs.namespace,
  pod_runs.name,
  pod_runs.ordinal,
  pod_runs.created_at
from pod_owners
join pod_runs
  on pod_runs.object_id = pod_owners.object_id
join pod_states
  on pod_states.object_id = pod_owners.object_id
where pod_owners.owner_uid = :workload_uid
  and (pod_owners.gone_at is null or pod_owners.gone_at >= :since)
  and pod_states.observed_at < :until
  and pod_states.resource_version >= coalesce(
    (
      select max(before.resource_version)
      from pod_states as before
      where before.object_id = pod_owners.object_id
        and before.observed_at <= :since
    ),
    0
  )
