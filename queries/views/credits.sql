-- title: credits
-- description: Who made each revision, no more surely than we know which write caused it, and the ticket and approver
--   that were given with that write or, failing that, in a note later.
select
  revisions.workload_uid,
  revisions.number,
  revisions.revision_uid,
  attributions.actor,
  nullif(attributions.impersonated, '') as impersonated,
  case
    when attributions.basis in ('exact', 'strong') and revisions.generation_from <> 'status'
      then 'probable'
    else coalesce(attributions.basis, 'unknown')
  end as basis,
  attributions.source as actor_source,
  attributions.position as actor_position,
  coalesce(revisions.ticket, tickets.said, ticket_notes.ticket) as ticket,
  case
    when revisions.ticket is not null then 'undo'
    when tickets.said is not null then tickets.source
    when ticket_notes.ticket is not null then 'note'
  end as ticket_source,
  coalesce(approvers.said, approver_notes.approver) as approver,
  case
    when approvers.said is not null then approvers.source
    when approver_notes.approver is not null then 'note'
  end as approver_source
from revisions
left join objects
  on objects.uid = revisions.workload_uid
  and revisions.trigger not in ('platform', 'adopted', 'found', 'unseen')
left join attributions
  on attributions.object_id = objects.id
  and attributions.what = 'write'
  and attributions.generation = revisions.generation
  and attributions.best = 1
left join first_said as tickets
  on tickets.object_id = objects.id
  and tickets.generation = revisions.generation
  and tickets.role = 'ticket'
left join first_said as approvers
  on approvers.object_id = objects.id
  and approvers.generation = revisions.generation
  and approvers.role = 'approver'
left join notes as ticket_notes
  on ticket_notes.position = (
    select max(notes.position)
    from notes
    where notes.workload_uid = revisions.workload_uid
      and notes.number = revisions.number
      and notes.revision_uid = revisions.revision_uid
      and notes.ticket is not null
  )
left join notes as approver_notes
  on approver_notes.position = (
    select max(notes.position)
    from notes
    where notes.workload_uid = revisions.workload_uid
      and notes.number = revisions.number
      and notes.revision_uid = revisions.revision_uid
      and notes.approver is not null
  )
