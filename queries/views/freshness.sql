-- title: freshness
-- description: For each stream the newest proof that it was being watched.
select
  kind,
  scope,
  state,
  max(until_at) as until_at,
  redaction_policy
from coverage
group by
  kind,
  scope
