-- title: recording_gaps
-- description: What was not seen, newest first.
select
  gaps.opened_at,
  gaps.kind,
  gaps.scope,
  gaps.cause,
  gap_stories.story,
  gaps.last_seen_at,
  gaps.closed_at
from gaps
join gap_stories
  on gap_stories.id = gaps.id
order by
  gaps.opened_at desc,
  gaps.id
