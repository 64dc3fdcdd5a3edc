select
  objects.uid,
  objects.name,
  listed.resource_version as version
from observations as listed
join objects
  on objects.id = listed.object_id
where listed.snapshot = :id
  and listed.resource_version <= :after_version
  and not exists (
    select 1
    from observations as told
    left join snapshots
      on snapshots.id = told.snapshot
    where told.object_id = listed.object_id
      and told.resource_version = listed.resource_version
      and (
        told.snapshot is null
        or snapshots.after_version is null
        or (
          snapshots.complete = 1
          and snapshots.resource_version <= :resource_version
          and snapshots.position < :position
        )
      )
  )
order by objects.uid
