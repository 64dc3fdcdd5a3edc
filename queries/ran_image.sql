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
      else coalesce(
        strftime(
          '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:at, 20)), 2, 7) || 'Z',
          substr(:at, 1, 19) || ltrim(substr(:at, 20), '.0123456789')
        ),
        :at
      )
    end as first,
    case
      when length(:at) = 10 then coalesce(strftime('%Y-%m-%dT%H:%M:%S.000000Z', :at, '+1 day'), :at)
    end as last
),
matching as (
  select distinct templates.id
  from templates
  join json_each('[' || replace(json_quote(templates.images), ' ', '","') || ']') as part
  where instr(templates.images, :image) > 0
    and instr(substr(part.value, instr(part.value, '=') + 1), :image) > 0
),
holders as materialized (
  select *
  from workloads
  where (:namespace = '' or namespace = :namespace)
    and (:name = '' or name = :name)
    and uid in (
      select workload_uid
      from revisions
      where template_id in (
        select id
        from matching
      )
    )
),
entries as not materialized (
  select
    revisions.rowid as id,
    revisions.*,
    revisions.trigger in ('found', 'adopted') as is_inherited,
    case
      when revisions.trigger = 'found' then coalesce(revisions.created_at, revisions.observed_at)
      else revisions.observed_at
    end as at
  from revisions
  where revisions.trigger <> 'unseen'
),
held as (
  select (
    select entries.id
    from entries
    where entries.workload_uid = holders.uid
      and entries.at <= asked.first
    order by
      entries.is_inherited,
      iif(entries.is_inherited, entries.number, null) desc,
      entries.at desc,
      entries.position desc
    limit 1
  ) as id
  from holders
  join asked
  where holders.deleted_at is null
    or holders.deleted_at > asked.first
  union all
  select entries.id
  from asked
  cross join holders
  cross join entries
    on entries.workload_uid = holders.uid
  where entries.at > asked.first
    and entries.at < asked.last
)
select
  holders.namespace,
  holders.name as workload,
  entries.number,
  templates.images,
  entries.at as from_at,
  coalesce(
    (
      select above.at
      from entries as above
      where above.workload_uid = entries.workload_uid
        and above.is_inherited
        and entries.is_inherited
        and above.number > entries.number
      order by above.number
      limit 1
    ),
    (
      select above.at
      from entries as above
      where above.workload_uid = entries.workload_uid
        and not above.is_inherited
        and (above.at, above.position) > (entries.at, entries.position)
      order by
        above.at,
        above.position
      limit 1
    ),
    holders.deleted_at
  ) as to_at,
  coalesce(rollouts.phase, 'unobserved') as status,
  entries.trigger,
  entries.workload_uid,
  entries.position
from held
cross join entries
  on entries.id = held.id
left join rollouts
  on rollouts.workload_uid = entries.workload_uid
  and rollouts.number = entries.number
  and rollouts.revision_uid = entries.revision_uid
join matching
  on matching.id = entries.template_id
join holders
  on holders.uid = entries.workload_uid
join templates
  on templates.id = entries.template_id
order by
  holders.namespace,
  holders.name,
  entries.at,
  entries.position
