select
  volume_states.*,
  objects.uid,
  objects.name,
  objects.deleted_at
from volume_states
join objects
  on objects.id = volume_states.object_id
where volume_states.object_id in (
  select object_id
  from volume_states
  where claim_uid = :uid
)
order by
  volume_states.object_id,
  volume_states.resource_version
