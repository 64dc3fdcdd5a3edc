-- title: undos
-- description: Revisions that brought an earlier template back: undone, or applied again from an old manifest.
select
  revisions.observed_at,
  workloads.label as workload,
  revisions.label as number,
  revisions.trigger,
  revisions.undo_of,
  revisions.summary,
  revisions.reason,
  revisions.ticket
from revisions
join workloads
  on workloads.uid = revisions.workload_uid
where revisions.trigger in ('undo', 'return')
order by revisions.observed_at desc
