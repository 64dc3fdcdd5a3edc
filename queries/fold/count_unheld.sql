update snapshots
set unheld = (
  select count(*)
  from snapshot_members
  where snapshot = snapshots.id
)
where id = :id
