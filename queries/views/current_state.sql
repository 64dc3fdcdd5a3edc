-- title: current_state
-- description: What runs now: each living workload with its newest revision.
select
  workloads.label as workload,
  max(revisions.number) as number,
  rollouts.phase as status,
  revisions.trigger,
  templates.images,
  workloads.replicas,
  workloads.strategy,
  revisions.observed_at
from workloads
left join revisions
  on revisions.workload_uid = workloads.uid
  and revisions.live = 1
left join rollouts
  on rollouts.workload_uid = revisions.workload_uid
  and rollouts.number = revisions.number
  and rollouts.revision_uid = revisions.revision_uid
left join templates
  on templates.id = revisions.template_id
where workloads.deleted_at is null
group by workloads.uid
order by workloads.label
