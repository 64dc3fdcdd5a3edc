select
  (
    select revision
    from pod_states
    where object_id = :object_id
    order by resource_version
    limit 1
  ) as made_revision,
  (
    select observed_at
    from pod_states
    where object_id = :object_id
    order by resource_version
    limit 1
  ) as observed_at,
  coalesce((
    select owner_uid
    from pod_states
    where object_id = :object_id
      and owner_uid <> ''
    order by resource_version desc
    limit 1
  ), '') as workload_uid,
  (
    select coalesce(ready_changed_at, observed_at)
    from pod_states
    where object_id = :object_id
      and ready = 1
    order by resource_version
    limit 1
  ) as ready_at,
  coalesce((
    select reason
    from pod_states
    where object_id = :object_id
      and reason <> ''
    order by resource_version desc
    limit 1
  ), '') as last_reason,
  objects.deleted_at,
  objects.deleted_after
from objects
where objects.id = :object_id
  and exists (
    select 1
    from pod_states
    where object_id = :object_id
  )
