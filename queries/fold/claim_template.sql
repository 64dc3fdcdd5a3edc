select *
from claim_templates
where workload_uid = :workload_uid
  and template = :template
