-- title: What a consumer shows of its ledger
-- description: How far it is folded, what could not be read, and how long nobody was watching.
-- columns:
--   position: the last folded position
--   dead_letters: records that could not be read
--   gap_seconds: seconds of all gaps together, open ones up to the newest record's time
select
  next_position - 1 as position,
  (
    select count(*)
    from rejects
  ) as dead_letters,
  (
    select coalesce(sum(max(0, julianday(coalesce(closed_at, now)) - julianday(last_seen_at))), 0)
    from gaps
    where last_seen_at <> ''
  ) * 86400.0 as gap_seconds
from progress
