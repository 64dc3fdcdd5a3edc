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
select
  coverage.kind,
  coverage.scope,
  max(min(coverage.began_at), :since) as began_at,
  case
    when :until = '' then max(coverage.until_at)
    else min(max(coverage.until_at), :until)
  end as until_at,
  count(*) as stretches,
  count(distinct coverage.instance_id) as watchers,
  group_concat(distinct coverage.redaction_policy) as redaction_policies
from coverage
where (:since = '' or coverage.until_at >= :since)
  and (:until = '' or coverage.began_at < :until)
group by
  coverage.kind,
  coverage.scope
order by
  coverage.kind,
  coverage.scope
