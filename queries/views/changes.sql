-- title: changes
-- description: Everything that changed, across all workloads, newest first.
select
  revisions.observed_at as at,
  workloads.label as workload,
  revisions.trigger as what,
  revisions.label as number,
  revisions.summary,
  revisions.ticket
from revisions
join workloads
  on workloads.uid = revisions.workload_uid
where revisions.trigger not in ('found', 'unseen')
union all
select
  spec_changes.observed_at,
  workloads.label,
  'spec',
  null,
  group_concat(spec_changes.summary, ', '),
  null
from spec_changes
join workloads
  on workloads.uid = spec_changes.workload_uid
group by
  spec_changes.workload_uid,
  spec_changes.generation
union all
select
  workloads.deleted_at,
  workloads.label,
  'deleted',
  null,
  'the StatefulSet was deleted',
  null
from workloads
where workloads.deleted_at is not null
order by at desc
