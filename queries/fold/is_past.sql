select 1
from coverage
where kind = :kind
  and scope = :scope
  and resource_version >= :resource_version
union all
select 1
from snapshots
where kind = :kind
  and scope = :scope
  and complete = 1
  and resource_version > :resource_version
limit 1
