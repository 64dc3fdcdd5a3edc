update objects
set
  alive_version = max(alive_version, :resource_version),
  alive_at = max(coalesce(alive_at, ''), :began_at),
  deleted_after = case deleted_how
    when 'inferred' then max(coalesce(alive_at, ''), :began_at)
    else deleted_after
  end
where uid in (
  select uid
  from snapshot_members
  where snapshot = :id
)
returning
  uid,
  deleted_how
