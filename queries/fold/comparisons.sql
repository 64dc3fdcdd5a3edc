select *
from snapshots
where after_version is not null
  and compared = 0
  and complete = 1
