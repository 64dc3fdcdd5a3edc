select
  uid,
  name
from objects
where kind = :kind
  and deleted_how = 'inferred'
  and deleted_version = :resource_version
  and (:scope = '*' or namespace = :scope)
  and not exists (
    select 1
    from snapshots as earlier
    where earlier.kind = :kind
      and earlier.complete = 1
      and earlier.resource_version = :resource_version
      and earlier.position < :position
      and (earlier.scope = '*' or earlier.scope = :scope)
  )
order by uid
