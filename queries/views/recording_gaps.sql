-- title: recording_gaps
-- description: What was not seen, newest first.
select
  opened_at,
  kind,
  scope,
  cause,
  last_seen_at,
  closed_at,
  last_version,
  next_version
from gaps
order by opened_at desc
