-- title: What was not seen
-- description: Every stretch in which a stream was not watched, with its cause, and whether another watcher covered it.
-- parameters:
--   since: still open at or after this time (RFC 3339); empty for any
--   until: begun before this time; empty for any
-- columns:
--   id: the gap's id
--   kind: the kind, plural
--   scope: the namespace, or * for all
--   cause: why it was not seen
--   story: the same in words
--   last_seen_at: the last proof that it was
--   opened_at: when the gap was noticed
--   closed_at: when a complete snapshot ended it; null while it is open
--   last_version: the last resourceVersion before it
--   next_version: the first resourceVersion after it
--   covered: 1 when another watcher instance covered the whole stretch
--   detail: what else is known, JSON
with asked as (
  select
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:since, 20)), 2, 7) || 'Z',
        substr(:since, 1, 19) || ltrim(substr(:since, 20), '.0123456789')
      ),
      :since
    ) as since,
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:until, 20)), 2, 7) || 'Z',
        substr(:until, 1, 19) || ltrim(substr(:until, 20), '.0123456789')
      ),
      :until
    ) as until
)
select
  gaps.id,
  gaps.kind,
  gaps.scope,
  gaps.cause,
  gap_stories.story,
  gaps.last_seen_at,
  gaps.opened_at,
  gaps.closed_at,
  gaps.last_version,
  gaps.next_version,
  gap_stories.covered,
  gaps.detail
from gaps
join gap_stories
  on gap_stories.id = gaps.id
where (:since = '' or coalesce(gaps.closed_at, '9') >= (select since from asked))
  and (:until = '' or gaps.last_seen_at < (select until from asked))
order by
  gaps.opened_at desc,
  gaps.id
