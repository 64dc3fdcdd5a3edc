select
  snapshots.ended_at,
  snapshots.resource_version
from objects
join snapshots
  on snapshots.kind = objects.kind
  and snapshots.complete = 1
  and snapshots.resource_version > objects.alive_version
  and (snapshots.scope = '*' or snapshots.scope = objects.namespace)
where objects.id = :object_id
order by snapshots.resource_version
limit 1
