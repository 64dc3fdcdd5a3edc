-- title: history
-- description: Every revision of every workload, newest first.
select
  workloads.label as workload,
  revisions.label as number,
  revisions.trigger,
  coalesce(rollouts.phase, 'unobserved') as status,
  revisions.summary,
  revisions.change_cause,
  revisions.observed_at,
  revisions.pruned_why
from revisions
join workloads
  on workloads.uid = revisions.workload_uid
left join rollouts
  on rollouts.workload_uid = revisions.workload_uid
  and rollouts.number = revisions.number
  and rollouts.revision_uid = revisions.revision_uid
order by
  revisions.observed_at desc,
  revisions.number desc
