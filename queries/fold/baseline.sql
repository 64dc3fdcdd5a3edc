select min(resource_version) as version
from snapshots
where kind = 'controllerrevisions'
  and complete = 1
  and (scope = '*' or scope = :namespace)
