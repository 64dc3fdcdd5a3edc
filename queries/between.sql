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
--   changes: how many revisions were made in between
--   triggers: why they came to be, in order
--   images_before: container=image pairs at the first instant
--   images_after: container=image pairs at the second instant
--   same_template: 1 when both revisions hold the same template
--   first_at: the first change in between
--   last_at: the last change in between, or the deletion
--   workload_uid: the incarnation
with span as (
  select
    coalesce(strftime('%Y-%m-%dT%H:%M:%f', :since), :since) as first,
    case
      when :until = '' then '9'
      else coalesce(strftime('%Y-%m-%dT%H:%M:%f', :until), :until)
    end as second
),
entries as (
  select
    revisions.workload_uid,
    revisions.number,
    revisions.position,
    revisions.trigger,
    revisions.template_id,
    case
      when revisions.trigger = 'found' then coalesce(revisions.created_at, revisions.observed_at)
      else revisions.observed_at
    end as at
  from revisions
  where revisions.trigger <> 'unseen'
),
touched as (
  select
    workloads.uid,
    workloads.namespace,
    workloads.name,
    workloads.deleted_at,
    count(made.number) as changes,
    group_concat(made.trigger, ' ') as triggers,
    min(made.at) as first_at,
    max(made.at) as last_at
  from workloads
  join span
  left join (
    select *
    from entries
    order by
      workload_uid,
      at,
      number
  ) as made
    on made.workload_uid = workloads.uid
    and made.at >= span.first
    and made.at < span.second
  where (:namespace = '' or workloads.namespace = :namespace)
    and (:name = '' or workloads.name = :name)
  group by workloads.uid
)
select
  touched.namespace,
  touched.name as workload,
  before.number as number_before,
  after.number as number_after,
  touched.changes,
  touched.triggers,
  images_before.images as images_before,
  images_after.images as images_after,
  before.template_id is after.template_id as same_template,
  coalesce(touched.first_at, touched.deleted_at) as first_at,
  case
    when touched.deleted_at < span.second then touched.deleted_at
    else touched.last_at
  end as last_at,
  touched.uid as workload_uid
from touched
join span
left join revisions as before
  on before.rowid = (
    select revisions.rowid
    from revisions
    where revisions.workload_uid = touched.uid
      and revisions.trigger <> 'unseen'
      and case
        when revisions.trigger = 'found' then coalesce(revisions.created_at, revisions.observed_at)
        else revisions.observed_at
      end < span.first
    order by
      revisions.number desc,
      revisions.position desc
    limit 1
  )
left join revisions as after
  on after.rowid = (
    select revisions.rowid
    from revisions
    where revisions.workload_uid = touched.uid
      and revisions.trigger <> 'unseen'
      and case
        when revisions.trigger = 'found' then coalesce(revisions.created_at, revisions.observed_at)
        else revisions.observed_at
      end < span.second
      and (touched.deleted_at is null or touched.deleted_at >= span.second)
    order by
      revisions.number desc,
      revisions.position desc
    limit 1
  )
left join templates as images_before
  on images_before.id = before.template_id
left join templates as images_after
  on images_after.id = after.template_id
where touched.changes > 0
  or touched.deleted_at >= span.first
  and touched.deleted_at < span.second
order by
  last_at desc,
  touched.namespace,
  touched.name
