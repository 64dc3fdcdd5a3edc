select
  objects.namespace,
  objects.name
from volume_states
join objects
  on objects.uid = volume_states.claim_uid
where volume_states.object_id = :object_id
union
select
  objects.namespace,
  objects.name
from objects as volumes
join claim_states
  on claim_states.volume = volumes.name
join objects
  on objects.id = claim_states.object_id
where volumes.id = :object_id
