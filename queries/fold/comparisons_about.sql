select snapshots.*
from gaps
join snapshots
  on gaps.id = 'relist/' || snapshots.id
where gaps.cause = 'relist-mismatch'
  and instr(gaps.detail, :uid) > 0
union
select snapshots.*
from objects
join snapshots
  on snapshots.kind = objects.kind
  and snapshots.complete = 1
  and snapshots.resource_version = objects.deleted_version
  and snapshots.after_version is not null
where objects.uid = :uid
