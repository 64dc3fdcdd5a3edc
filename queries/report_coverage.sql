-- title: What was watched in a period
-- description: For each stream when it was first and last watched within a period, and in how many stretches. What a
--   report can tell of; what lies between stretches is among the gaps.
-- parameters:
--   since: still watched at or after this time (RFC 3339); empty for any
--   until: begun before this time; empty for any
-- columns:
--   kind: the kind, plural
--   scope: the namespace, or * for all
--   began_at: when the first stretch began, or when the period did
--   until_at: the newest proof that the stream was watched, or when the period ended
--   stretches: how often watching began
--   watchers: how many watcher processes
--   redaction_policies: how secrets were hidden
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
  coverage.kind,
  coverage.scope,
  max(min(coverage.began_at), (select since from asked)) as began_at,
  case
    when :until = '' then max(coverage.until_at)
    else min(max(coverage.until_at), (select until from asked))
  end as until_at,
  count(*) as stretches,
  count(distinct coverage.instance_id) as watchers,
  group_concat(distinct coverage.redaction_policy) as redaction_policies
from coverage
where (:since = '' or coverage.until_at >= (select since from asked))
  and (:until = '' or coverage.began_at < (select until from asked))
group by
  coverage.kind,
  coverage.scope
order by
  coverage.kind,
  coverage.scope
