select
  workload_uid,
  due_at
from rollouts
where due_at is not null
  and due_at <= :now
