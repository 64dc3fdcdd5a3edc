-- title: said
-- description: What people said of a change beside it: its ticket, approver, commit or pipeline, from annotations that
--   changed with it, and from notes added later. A claim, never a proof.
select
  objects.uid as workload_uid,
  statements.generation,
  null as number,
  null as revision_uid,
  statements.role,
  statements.said,
  statements.source,
  statements.position
from statements
join objects
  on objects.id = statements.object_id
union all
select
  notes.workload_uid,
  null,
  notes.number,
  notes.revision_uid,
  roles.role,
  case roles.role
    when 'ticket' then notes.ticket
    when 'approver' then notes.approver
    else notes.message
  end as said,
  'note',
  notes.position
from notes
join (
  select 'ticket' as role
  union all
  select 'approver'
  union all
  select 'message'
) as roles
where said is not null
