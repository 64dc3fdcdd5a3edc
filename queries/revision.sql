-- title: One revision with its template
-- description: The recorded pod template of one number of a StatefulSet, or of every candidate where a number was used
--   twice.
-- parameters:
--   namespace: the namespace
--   name: the StatefulSet's name
--   label: the number, or a label such as 3~1a2b
--   workload_uid: the incarnation; empty for the newest
-- columns:
--   number: the revision number
--   label: the number as shown
--   name: the ControllerRevision's name
--   workload_uid: the incarnation
--   revision_uid: uid of the ControllerRevision
--   trigger: why it came to be
--   undo_of: the lower number with the same template
--   summary: what changed
--   status: what became of the rollout
--   observed_at: when it was first seen
--   actor: who did it, where known
--   impersonated: as whom, where the actor took another's name
--   basis: on what evidence the actor rests: exact, strong, probable, claimed or unknown
--   ticket: the ticket given with it or, later, in a note
--   ticket_source: undo, annotation, or note: added later
--   approver: who is said to have approved it
--   approver_source: annotation, or note: added later
--   change_cause: its cause
--   change_cause_state: how far the cause can be believed
--   template: the pod template, JSON, redacted
--   redaction_key: id of the key its secrets are tagged with; null when nothing was redacted
--   template_digest: SHA-256 of the recorded template
--   restorable: 1 when the full template can still be had
--   restorable_why: from where: live, sealed or recorded; or why not
--   pruned_at: when it was no longer to be found in the cluster
--   pruned_why: why
--   generation: the StatefulSet generation that caused it
--   write_position: the first record of the StatefulSet that has this generation
--   position: the record it was first seen in
--   collision_count: how often a name of the set's revisions was taken (status.collisionCount)
select
  revisions.number,
  revisions.label,
  revisions.name,
  revisions.workload_uid,
  revisions.revision_uid,
  revisions.trigger,
  revisions.undo_of,
  revisions.summary,
  coalesce(rollouts.phase, 'unobserved') as status,
  revisions.observed_at,
  credits.actor,
  credits.impersonated,
  credits.basis,
  credits.ticket,
  credits.ticket_source,
  credits.approver,
  credits.approver_source,
  revisions.change_cause,
  revisions.change_cause_state,
  templates.template,
  templates.redaction_key,
  templates.digest as template_digest,
  revisions.restorable,
  revisions.restorable_why,
  revisions.pruned_at,
  revisions.pruned_why,
  revisions.generation,
  (
    select min(set_states.position)
    from objects
    join set_states
      on set_states.object_id = objects.id
      and set_states.generation = revisions.generation
    where objects.uid = revisions.workload_uid
  ) as write_position,
  revisions.position,
  (
    select max(incarnations.collision_count)
    from workloads as incarnations
    where incarnations.namespace = workloads.namespace
      and incarnations.name = workloads.name
  ) as collision_count
from revisions
join workloads
  on workloads.uid = revisions.workload_uid
join credits
  on credits.workload_uid = revisions.workload_uid
  and credits.number = revisions.number
  and credits.revision_uid = revisions.revision_uid
left join rollouts
  on rollouts.workload_uid = revisions.workload_uid
  and rollouts.number = revisions.number
  and rollouts.revision_uid = revisions.revision_uid
left join templates
  on templates.id = revisions.template_id
where workloads.namespace = :namespace
  and workloads.name = :name
  and (
    revisions.workload_uid = :workload_uid
    or :workload_uid = ''
    and not exists (
      select 1
      from workloads as later
      where later.predecessor = workloads.uid
    )
  )
  and (
    revisions.label = :label
    or cast(revisions.number as text) = :label
    or :label = ''
  )
order by
  revisions.number,
  revisions.position
