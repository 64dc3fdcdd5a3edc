select pruned.uid
from objects
join objects as pruned
  on pruned.owner_uid = :owner_uid
  and pruned.deleted_version > objects.deleted_version
  and pruned.kind = 'controllerrevisions'
where objects.id = :object_id
