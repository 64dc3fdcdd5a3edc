update gaps
set closed_at = (
  select case when count(*) = count(healed_at) then max(healed_at) end
  from (
    select (
      select min(snapshots.ended_at)
      from snapshots
      where snapshots.kind = streams.kind
        and snapshots.scope = streams.scope
        and snapshots.complete = 1
        and snapshots.unheld = 0
        and snapshots.began_position > gaps.position
    ) as healed_at
    from (
      select distinct
        kind,
        scope
      from coverage
      -- a clock that was set back makes what came after older than what was last seen
      where until_at >= min(gaps.last_seen_at, gaps.opened_at)
    ) as streams
  )
)
where kind = '*'
  and closed_at is null
