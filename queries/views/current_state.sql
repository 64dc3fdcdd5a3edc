-- title: current_state
-- description: What runs now: each living workload with its newest revision.
select
  workloads.label as workload,
  max(revisions.number) as number,
  revisions.status,
  revisions.trigger,
  templates.images,
  workloads.replicas,
  workloads.strategy,
  revisions.observed_at
from workloads
left join revisions
  on revisions.workload_uid = workloads.uid
  and revisions.live = 1
left join templates
  on templates.id = revisions.template_id
where workloads.deleted_at is null
group by workloads.uid
order by workloads.label
