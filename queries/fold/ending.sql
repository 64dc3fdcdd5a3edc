select
  objects.uid,
  objects.kind,
  objects.namespace,
  objects.name,
  objects.created_at,
  terminations.resource_version as version,
  coalesce(terminations.observed_at, objects.deleted_at) as ended_at
from objects
left join terminations
  on terminations.object_id = objects.id
where objects.id = :object_id
