select
  id,
  uid,
  created_at,
  deleted_at
from objects
where kind = 'persistentvolumeclaims'
  and namespace = :namespace
  and name = :name
order by
  created_at,
  uid
