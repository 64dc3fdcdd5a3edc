-- title: What changed an image
-- description: Every revision that brought an image, took it away, or replaced it by another that matches too (another
--   tag of the same repository), newest first, with why it came to be.
-- parameters:
--   image: text in the image's name, such as shop/web or shop/web:2.4.2; empty for every image
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   since: at or after this time (RFC 3339); empty for any
--   until: before this time; empty for any
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   observed_at: when the revision was first seen
--   namespace: the workload's namespace
--   workload: the workload's name
--   number: the revision number
--   trigger: why the revision came to be
--   image_before: the matching images of the revision before it; null when there were none, or nobody saw it
--   image_after: its own matching images; null when there are none
--   status: what became of the rollout
--   actor: who did it, where known
--   basis: on what evidence the actor rests
--   change_cause: the cause that belongs to this change; null when it is stale
--   ticket: the ticket given with it
--   workload_uid: the incarnation
--   position: the record it was seen in
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
    ) as until
),
matching as (
  select
    templates.id as template_id,
    group_concat(part.value, ' ') as images
  from templates
  join json_each('[' || replace(json_quote(templates.images), ' ', '","') || ']') as part
  where instr(templates.images, :image) > 0
    and instr(substr(part.value, instr(part.value, '=') + 1), :image) > 0
  group by templates.id
)
select
  revisions.observed_at,
  workloads.namespace,
  workloads.name as workload,
  revisions.number,
  revisions.trigger,
  before.images as image_before,
  after.images as image_after,
  coalesce(rollouts.phase, 'unobserved') as status,
  null as actor,
  'unknown' as basis,
  case
    when revisions.change_cause_state in ('fresh', 'late') then revisions.change_cause
  end as change_cause,
  revisions.ticket,
  revisions.workload_uid,
  revisions.position
from workloads
cross join revisions
  on revisions.workload_uid = workloads.uid
left join rollouts
  on rollouts.workload_uid = revisions.workload_uid
  and rollouts.number = revisions.number
  and rollouts.revision_uid = revisions.revision_uid
left join matching as after
  on after.template_id = revisions.template_id
left join predecessors
  on predecessors.workload_uid = revisions.workload_uid
  and predecessors.number = revisions.number
  and predecessors.revision_uid = revisions.revision_uid
left join matching as before
  on before.template_id = predecessors.template_id
where after.images is not before.images
  and (revisions.previous is not null or revisions.trigger = 'create')
  and revisions.trigger not in ('adopted', 'unseen')
  and revisions.workload_uid in (
    select used.workload_uid
    from revisions as used
    where used.template_id in (
      select template_id
      from matching
    )
  )
  and (:namespace = '' or workloads.namespace = :namespace)
  and (:name = '' or workloads.name = :name)
  and (:since = '' or revisions.observed_at >= (select since from asked))
  and (:until = '' or revisions.observed_at < (select until from asked))
order by
  revisions.observed_at desc,
  revisions.position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
