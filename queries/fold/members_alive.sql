update objects
set alive_version = max(alive_version, :resource_version)
where uid in (
  select uid
  from snapshot_members
  where snapshot = :id
)
