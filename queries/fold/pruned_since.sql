select later.uid
from objects
join objects as later
  on later.owner_uid = objects.owner_uid
  and later.deleted_version >= objects.deleted_version
  and later.kind = objects.kind
  and later.uid <> objects.uid
where objects.uid = :uid
  and objects.kind = 'controllerrevisions'
