select
  kind,
  max(resource_version) as newest
from snapshots
where complete = 1
group by kind
