update objects
set alive_version = max(alive_version, :resource_version)
where id in (
  select object_id
  from snapshot_members
  where snapshot = :id
)
