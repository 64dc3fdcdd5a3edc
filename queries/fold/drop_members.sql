delete from snapshot_members
where snapshot = :id
  and uid in (
    select uid
    from objects
  )
