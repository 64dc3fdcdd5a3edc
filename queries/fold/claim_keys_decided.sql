select
  namespace,
  name
from claims
where namespace = :namespace
  and workload = :workload
  and decided_at >= :since
