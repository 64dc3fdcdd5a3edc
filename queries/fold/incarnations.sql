select
  uid,
  created_at,
  first_seen_at,
  predecessor
from workloads
where namespace = :namespace
  and name = :name
order by created_at, uid
