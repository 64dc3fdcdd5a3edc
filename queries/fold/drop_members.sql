delete from snapshot_members
where snapshot = :id
