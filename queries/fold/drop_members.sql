delete from snapshot_members
where snapshot = :id
  and (
    version is null
    or exists (
      select 1
      from objects
      join observations
        on observations.object_id = objects.id
        and observations.resource_version = snapshot_members.version
        and observations.fact = 'state'
      where objects.uid = snapshot_members.uid
    )
  )
