-- title: open_rollouts
-- description: What is rolling out now, and what holds it up.
select
  workloads.label as workload,
  rollouts.label as number,
  rollouts.phase,
  rollouts.updated || '/' || rollouts.wanted as updated,
  rollouts.started_at,
  rollouts.blocking_pod,
  rollouts.blocking_reason,
  rollouts.blocking_since
from rollouts
join workloads
  on workloads.uid = rollouts.workload_uid
where rollouts.phase in ('progressing', 'staged', 'settling', 'stalled')
order by rollouts.started_at
