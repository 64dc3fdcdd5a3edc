-- title: What changed between two instants
-- description: Each workload that was changed, made or deleted between two instants, with the revision that was wanted
--   at the first and the one wanted at the second. What was changed and changed back shows with equal images.
-- parameters:
--   since: the first instant (RFC 3339); empty for the beginning
--   until: the second instant; empty for now
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
-- columns:
--   namespace: the workload's namespace
--   workload: the workload's name
--   number_before: the newest revision at the first instant; null when there was none
--   number_after: the newest revision at the second instant; null when it was deleted by then
--   what: the triggers of the revisions made in between, in order, and deleted
--   images_before: container=image pairs at the first instant
--   images_after: container=image pairs at the second instant
--   same_template: 1 when both revisions hold the same template
--   first_at: the first change in between
--   last_at: the last change in between, or the deletion
--   workload_uid: the incarnation
with span as (
  select
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:since, 20)), 2, 7) || 'Z',
        substr(:since, 1, 19) || ltrim(substr(:since, 20), '.0123456789')
      ),
      :since
    ) as first,
    case
      when :until = '' then '9'
      else coalesce(
        strftime(
          '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:until, 20)), 2, 7) || 'Z',
          substr(:until, 1, 19) || ltrim(substr(:until, 20), '.0123456789')
        ),
        :until
      )
    end as second
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
incarnations as (
  select
    workloads.uid,
    workloads.namespace,
    workloads.name,
    iif(
      workloads.deleted_at >= span.first and workloads.deleted_at < span.second,
      workloads.deleted_at,
      null
    ) as deleted_at,
    (
      select entries.id
      from entries
      where entries.workload_uid = workloads.uid
        and entries.at < span.first
      order by
        entries.is_inherited,
        iif(entries.is_inherited, entries.number, null) desc,
        entries.at desc,
        entries.position desc
      limit 1
    ) as before_id,
    (
      select entries.id
      from entries
      where entries.workload_uid = workloads.uid
        and entries.at < span.second
      order by
        entries.is_inherited,
        iif(entries.is_inherited, entries.number, null) desc,
        entries.at desc,
        entries.position desc
      limit 1
    ) as after_id,
    (
      select group_concat(made.trigger, ' ')
      from (
        select entries.trigger
        from entries
        where entries.workload_uid = workloads.uid
          and entries.trigger <> 'found'
          and entries.at >= span.first
          and entries.at < span.second
        order by
          entries.at,
          entries.position
      ) as made
    ) as triggers,
    (
      select min(entries.at)
      from entries
      where entries.workload_uid = workloads.uid
        and entries.trigger <> 'found'
        and entries.at >= span.first
        and entries.at < span.second
    ) as first_at,
    (
      select max(entries.at)
      from entries
      where entries.workload_uid = workloads.uid
        and entries.trigger <> 'found'
        and entries.at >= span.first
        and entries.at < span.second
    ) as last_at
  from workloads
  join span
  where (:namespace = '' or workloads.namespace = :namespace)
    and (:name = '' or workloads.name = :name)
)
select
  incarnations.namespace,
  incarnations.name as workload,
  before.number as number_before,
  iif(incarnations.deleted_at is null, after.number, null) as number_after,
  trim(
    coalesce(incarnations.triggers, '') || iif(incarnations.deleted_at is null, '', ' deleted')
  ) as what,
  images_before.images as images_before,
  iif(incarnations.deleted_at is null, images_after.images, null) as images_after,
  incarnations.deleted_at is null
    and before.template_id is after.template_id as same_template,
  coalesce(incarnations.first_at, incarnations.deleted_at) as first_at,
  coalesce(incarnations.deleted_at, incarnations.last_at) as last_at,
  incarnations.uid as workload_uid
from incarnations
left join revisions as before
  on before.rowid = incarnations.before_id
left join revisions as after
  on after.rowid = incarnations.after_id
left join templates as images_before
  on images_before.id = before.template_id
left join templates as images_after
  on images_after.id = after.template_id
where incarnations.triggers is not null
  or incarnations.deleted_at is not null
order by
  last_at desc,
  incarnations.namespace,
  incarnations.name
