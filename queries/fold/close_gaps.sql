update gaps
set (closed_at, next_version) = (
  select
    min(snapshots.ended_at),
    min(snapshots.resource_version)
  from snapshots
  where snapshots.kind = gaps.kind
    and snapshots.scope = gaps.scope
    and snapshots.complete = 1
    and snapshots.unheld = 0
    and snapshots.began_position > gaps.position
)
where kind = :kind
  and scope = :scope
  and closed_at is null
