select
  began_at,
  resource_version
from snapshots
where kind = :kind
  and scope = :scope
  and complete = 1
  and resource_version < :resource_version
order by resource_version desc
limit 1
