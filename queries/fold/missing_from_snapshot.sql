select id, uid
from objects
where kind = :kind
  and alive_version >= 0
  and alive_version < :resource_version
  and deleted_at is null
  and (:scope = '*' or namespace = :scope)
