-- title: Which workloads ran an image
-- description: Revisions that hold an image and were the newest of their workload on a day or at an instant. The newest
--   revision is what was wanted; a status other than complete says that not every pod came to run it.
-- parameters:
--   image: text in the image's name, such as postgres:16; empty for every image
--   at: a day (2026-11-23, UTC) or an instant (RFC 3339); empty for the newest record
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
-- columns:
--   namespace: the workload's namespace
--   workload: the workload's name
--   number: the revision number
--   images: container=image pairs
--   from_at: when it became the newest revision; for one found at the first watch, when it was created
--   to_at: when the next revision or the deletion ended that; null while it lasts
--   status: what became of its rollout
--   trigger: why it came to be
--   workload_uid: the incarnation
--   position: the record it was seen in
with asked as (
  select
    case
      when :at = '' then (select now from progress)
      else coalesce(strftime('%Y-%m-%dT%H:%M:%f', :at), :at)
    end as first,
    case
      when :at = '' then (select now from progress)
      when length(:at) = 10 then coalesce(strftime('%Y-%m-%dT%H:%M:%f', :at, '+1 day'), :at)
      else coalesce(strftime('%Y-%m-%dT%H:%M:%f', :at), :at)
    end as last
),
matching as (
  select distinct templates.id
  from templates
  join json_each('[' || replace(json_quote(templates.images), ' ', '","') || ']') as part
  where instr(templates.images, :image) > 0
    and instr(substr(part.value, instr(part.value, '=') + 1), :image) > 0
),
held as (
  select
    revisions.*,
    case
      when revisions.trigger = 'found' then coalesce(revisions.created_at, revisions.observed_at)
      else revisions.observed_at
    end as from_at,
    (
      select above.observed_at
      from revisions as above
      where above.workload_uid = revisions.workload_uid
        and above.number >= revisions.number
        and (above.number, above.position) > (revisions.number, revisions.position)
        and above.trigger <> 'unseen'
      order by
        above.number,
        above.position
      limit 1
    ) as replaced_at
  from revisions
  where revisions.template_id in (
      select id
      from matching
    )
)
select
  workloads.namespace,
  workloads.name as workload,
  held.number,
  templates.images,
  held.from_at,
  coalesce(held.replaced_at, workloads.deleted_at) as to_at,
  held.status,
  held.trigger,
  held.workload_uid,
  held.position
from held
join asked
join workloads
  on workloads.uid = held.workload_uid
join templates
  on templates.id = held.template_id
where held.from_at <= asked.last
  and coalesce(held.replaced_at, workloads.deleted_at, '9') > asked.first
  and (:namespace = '' or workloads.namespace = :namespace)
  and (:name = '' or workloads.name = :name)
order by
  workloads.namespace,
  workloads.name,
  held.from_at,
  held.position
