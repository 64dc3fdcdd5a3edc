-- title: How fresh the recording is
-- description: For each stream the newest proof that it was being watched: a heartbeat or a snapshot.
-- columns:
--   kind: the kind, plural
--   scope: the namespace, or * for all
--   state: starting, live, gap, stopped, or what the watcher said of it
--   until_at: the newest proof of coverage
--   redaction_policy: how secrets are hidden: secrets, strict or off
--   open_gaps: gaps of this stream that no snapshot has closed
--   now: the newest record time in the ledger
--   position: the last folded position
select
  coverage.kind,
  coverage.scope,
  coverage.state,
  max(coverage.until_at) as until_at,
  coverage.redaction_policy,
  (
    select count(*)
    from gaps
    where gaps.kind = coverage.kind
      and gaps.scope = coverage.scope
      and gaps.closed_at is null
  ) as open_gaps,
  (select now from progress) as now,
  (select next_position - 1 from progress) as position
from coverage
group by
  coverage.kind,
  coverage.scope
order by
  coverage.kind,
  coverage.scope
