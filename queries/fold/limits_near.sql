select history_limit, current_revision, update_revision
from set_states
where object_id = :object_id
  and observed_at <= :until_at
  and resource_version >= coalesce(
    (
      select max(before.resource_version)
      from set_states as before
      where before.object_id = :object_id
        and before.observed_at <= :since_at
    ),
    0
  )
order by
  observed_at > :deleted_at,
  case when observed_at > :deleted_at then resource_version else -resource_version end
