insert into terminations (object_id, resource_version, position, observed_at)
values (:object_id, :resource_version, :position, :observed_at)
on conflict (object_id) do update
set
  resource_version = excluded.resource_version,
  position = excluded.position,
  observed_at = excluded.observed_at
where excluded.resource_version / :span > resource_version / :span
  or excluded.resource_version / :span = resource_version / :span
  and (
    excluded.resource_version < resource_version
    or excluded.resource_version = resource_version
    and excluded.observed_at < observed_at
  )
