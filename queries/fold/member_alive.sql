update objects
set (alive_version, alive_at) = (
  select
    max(snapshots.resource_version),
    max(snapshots.began_at)
  from snapshot_members
  join snapshots
    on snapshots.id = snapshot_members.snapshot
    and snapshots.complete = 1
  where snapshot_members.uid = objects.uid
)
where id = :object_id
  and alive_version < (
    select max(snapshots.resource_version)
    from snapshot_members
    join snapshots
      on snapshots.id = snapshot_members.snapshot
      and snapshots.complete = 1
    where snapshot_members.uid = objects.uid
  )
