-- title: Every revision of a workload
-- description: Each number a StatefulSet's revisions ever had, newest first, with what changed, why, and whether it
--   can still be restored. Numbers that Kubernetes has renumbered or pruned stay.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   incarnations: "all" for every incarnation of the name; empty for the newest
--   selector_uid: only the incarnation of this uid; empty for any
--   since: observed at or after this time (RFC 3339); empty for any
--   until: observed before this time; empty for any
--   as_of: as the cluster was at this time, as far as it is known now; empty for now
--   image: only revisions whose images contain this text; empty for any
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   namespace: the workload's namespace
--   workload: the workload's name
--   workload_uid: uid of the incarnation
--   revision_uid: uid of the ControllerRevision; empty for numbers nobody saw
--   number: the revision number
--   label: the number as shown: "3", or "3~1a2b" where a number was used twice
--   name: the ControllerRevision's name
--   trigger: why the revision came to be
--   undo_of: the lower number that last held this template, for an undo or return
--   status: what became of the rollout; with as_of, open for one that had not ended by then
--   summary: what changed against the next lower revision
--   actor: who did it, where known
--   impersonated: as whom, where the actor took another's name
--   basis: on what evidence the actor rests: exact, strong, probable, claimed or unknown
--   change_cause: the kubernetes.io/change-cause that belongs to it
--   change_cause_stale: 1 when that cause was copied from an earlier change, null when unknown
--   change_cause_state: none, fresh, late, stale or unverified
--   ticket: the ticket given with our undo, with an annotation, or later with a note: as claimed
--   ticket_source: undo, annotation, or note: added later
--   approver: who is said to have approved it, in an annotation or later in a note
--   reason: the reason given with our undo
--   restorable: 1 when the full template can still be had
--   restorable_why: from where: live, sealed or recorded; or why not
--   live: 1 when kubectl rollout history would list it
--   running: 1 when it is the update revision now
--   pruned_at: when the number was no longer to be found in the cluster
--   pruned_why: renumbered, history limit, deleted by hand, set deleted, or left behind
--   created_at: when the ControllerRevision was created, for its first number
--   observed_at: when we first saw this number
--   took_seconds: how long the rollout took, where known
--   images: container=image pairs
--   template_digest: SHA-256 of the recorded template
--   generation: the StatefulSet generation that caused it
--   position: the record it was first seen in
with asked as (
  select
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:since, 20)), 2, 7) || 'Z',
        substr(:since, 1, 19) || ltrim(substr(:since, 20), '.0123456789')
      ),
      :since
    ) as since,
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:until, 20)), 2, 7) || 'Z',
        substr(:until, 1, 19) || ltrim(substr(:until, 20), '.0123456789')
      ),
      :until
    ) as until,
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:as_of, 20)), 2, 7) || 'Z',
        substr(:as_of, 1, 19) || ltrim(substr(:as_of, 20), '.0123456789')
      ),
      :as_of
    ) as as_of
)
select
  workloads.namespace,
  workloads.name as workload,
  revisions.workload_uid,
  revisions.revision_uid,
  revisions.number,
  revisions.label,
  revisions.name,
  revisions.trigger,
  revisions.undo_of,
  case
    when :as_of = '' or rollouts.phase = 'unobserved' or rollouts.ended_at <= (select as_of from asked)
      or rollouts.ended_at is null and (select as_of from asked) >= (select now from progress)
      then coalesce(rollouts.phase, 'unobserved')
    else iif(rollouts.phase is null, 'unobserved', 'open')
  end as status,
  revisions.summary,
  credits.actor,
  credits.impersonated,
  credits.basis,
  revisions.change_cause,
  case revisions.change_cause_state
    when 'stale' then 1
    when 'unverified' then null
    else 0
  end as change_cause_stale,
  revisions.change_cause_state,
  credits.ticket,
  credits.ticket_source,
  credits.approver,
  revisions.reason,
  revisions.restorable,
  revisions.restorable_why,
  case
    when :as_of = '' then revisions.live
    else revisions.revision_uid <> '' and coalesce(revisions.pruned_at > (select as_of from asked), 1)
  end as live,
  case
    when :as_of = '' then
      revisions.live
      and revisions.name = workloads.update_revision
      and workloads.deleted_at is null
    else
      coalesce(revisions.pruned_at > (select as_of from asked), 1)
      and coalesce(workloads.deleted_at > (select as_of from asked), 1)
      and revisions.name = (
        select set_states.update_revision
        from objects
        join set_states
          on set_states.object_id = objects.id
        where objects.uid = workloads.uid
          and set_states.observed_at <= (select as_of from asked)
        order by set_states.resource_version desc
        limit 1
      )
  end as running,
  case
    when :as_of = '' or revisions.pruned_at <= (select as_of from asked) then revisions.pruned_at
  end as pruned_at,
  case
    when :as_of = '' or revisions.pruned_at <= (select as_of from asked) then revisions.pruned_why
  end as pruned_why,
  revisions.created_at,
  revisions.observed_at,
  case
    when :as_of = '' or rollouts.finished_at <= (select as_of from asked) then (
      select round(durations.seconds, 3)
      from durations
      where durations.workload_uid = rollouts.workload_uid
        and durations.revision_uid = rollouts.revision_uid
        and durations.number = rollouts.number
    )
  end as took_seconds,
  templates.images,
  templates.digest as template_digest,
  revisions.generation,
  revisions.position
from workloads
cross join revisions
  on revisions.workload_uid = workloads.uid
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
where (:namespace = '' or workloads.namespace = :namespace)
  and (:name = '' or workloads.name = :name)
  and (:selector_uid = '' or workloads.uid = :selector_uid)
  and (
    :incarnations = 'all'
    or :selector_uid <> ''
    or not exists (
      select 1
      from workloads as later
      where later.predecessor = workloads.uid
    )
  )
  and (:since = '' or revisions.observed_at >= (select since from asked))
  and (:until = '' or revisions.observed_at < (select until from asked))
  and (:as_of = '' or revisions.observed_at <= (select as_of from asked))
  and (:image = '' or instr(templates.images, :image) > 0)
order by
  workloads.namespace,
  workloads.name,
  workloads.created_at desc,
  revisions.number desc,
  revisions.position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
