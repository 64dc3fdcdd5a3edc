-- title: How fresh the recording is
-- description: For each stream the newest proof that it was being watched: a heartbeat or a snapshot.
-- columns:
--   kind: the kind, plural
--   scope: the namespace, or * for all
--   state: starting, live, gap, stopped, or what the watcher said of it
--   until_at: the newest proof of coverage
--   redaction_policy: how secrets are hidden: secrets, strict or off
--   sealing_key: names whom originals are sealed to; null when none are
--   open_gaps: gaps of this stream, or of the whole log, that no snapshot has closed
--   open_causes: why, comma separated
--   skew_seconds: the API server's clock minus the watcher's, when last compared
--   now: the newest record time in the ledger
--   position: the last folded position
select
  coverage.kind,
  coverage.scope,
  coverage.state,
  max(coverage.until_at) as until_at,
  coverage.redaction_policy,
  coverage.sealing_key,
  (
    select count(*)
    from gaps
    where gaps.closed_at is null
      and (gaps.kind = '*' or gaps.kind = coverage.kind and gaps.scope = coverage.scope)
  ) as open_gaps,
  (
    select group_concat(distinct gaps.cause)
    from gaps
    where gaps.closed_at is null
      and (gaps.kind = '*' or gaps.kind = coverage.kind and gaps.scope = coverage.scope)
  ) as open_causes,
  coverage.skew_seconds,
  (select now from progress) as now,
  (select next_position - 1 from progress) as position
from coverage
group by
  coverage.kind,
  coverage.scope
order by
  coverage.kind,
  coverage.scope
