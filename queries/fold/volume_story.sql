select
  volume_states.*,
  objects.uid,
  objects.namespace,
  objects.name,
  objects.created_at,
  objects.deleted_at,
  objects.deleted_after,
  objects.deleted_how
from objects
join volume_states
  on volume_states.object_id = objects.id
where objects.id = :object_id
order by volume_states.resource_version
