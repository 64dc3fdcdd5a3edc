select
  snapshots.id,
  snapshots.kind,
  snapshots.scope
from snapshot_members
join snapshots
  on snapshots.id = snapshot_members.snapshot
  and snapshots.complete = 1
where snapshot_members.uid = :uid
