select
  workload_uid,
  workload,
  template
from claim_templates
where namespace = :namespace
  and workload = :workload
  and template = :template
  and (created_at is null or created_at <= :until)
order by
  created_at desc,
  workload_uid desc
limit 1
