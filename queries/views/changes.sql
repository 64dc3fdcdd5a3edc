-- title: changes
-- description: Everything that changed, across all workloads, newest first.
select
  at,
  namespace || '/' || workload as workload,
  what,
  label as number,
  summary,
  actor,
  basis,
  ticket
from timeline
where what <> 'gap'
order by at desc
