-- title: What was said of a revision
-- description: Its ticket, approver, commit and pipeline as annotations have them that came with it, and notes that were
--   added later. Claims, never proofs.
-- parameters:
--   workload_uid: the incarnation
--   generation: the StatefulSet generation that caused the revision
--   number: the revision number
--   revision_uid: uid of the ControllerRevision
-- columns:
--   role: ticket, approver, commit, pipeline or message
--   said: what was said
--   source: annotation, undo annotation, or note: added later
--   said_by: who added the note, by their own word
--   said_at: when
--   position: the record
select
  said.role,
  said.said,
  said.source,
  notes.said_by,
  coalesce(notes.said_at, observations.observed_at) as said_at,
  said.position
from said
left join notes
  on notes.position = said.position
left join observations
  on observations.position = said.position
where said.workload_uid = :workload_uid
  and (
    said.generation = cast(:generation as integer)
    or said.number = cast(:number as integer)
    and said.revision_uid = :revision_uid
  )
order by
  said.position,
  said.source desc,
  instr('ticket approver commit pipeline reason message', said.role)
