select uid
from workloads
where namespace = :namespace
  and name = :name
order by
  coalesce(created_at, first_seen_at) <= :at desc,
  created_at desc,
  uid desc
limit 1
