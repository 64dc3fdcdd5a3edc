select
  uid,
  name
from objects
where kind = :kind
  and deleted_how = 'inferred'
  and deleted_version = :resource_version
  and (:scope = '*' or namespace = :scope)
order by uid
