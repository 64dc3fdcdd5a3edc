-- title: Where a StatefulSet's state at a time is recorded
-- description: The records that hold a StatefulSet, the pods it controlled and the Events of what was refused to it, as
--   they were at a time.
-- parameters:
--   workload_uid: the incarnation
--   at: the time (RFC 3339)
-- columns:
--   kind: statefulsets, pods or events
--   name: the object's name
--   position: the record of its state at that time
with asked as (
  select
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:at, 20)), 2, 7) || 'Z',
        substr(:at, 1, 19) || ltrim(substr(:at, 20), '.0123456789')
      ),
      :at
    ) as at
),
there as (
  select
    objects.id,
    objects.kind,
    objects.name
  from objects
  where objects.uid = :workload_uid
  union all
  select
    objects.id,
    objects.kind,
    objects.name
  from pod_owners
  join objects
    on objects.id = pod_owners.object_id
  where pod_owners.owner_uid = :workload_uid
    and (objects.deleted_at is null or objects.deleted_at > (select at from asked))
  union all
  select
    objects.id,
    objects.kind,
    objects.name
  from refusals
  join objects
    on objects.id = refusals.object_id
  where refusals.workload_uid = :workload_uid
    and (objects.deleted_at is null or objects.deleted_at > (select at from asked))
)
select
  there.kind,
  there.name,
  (
    select observations.position
    from observations
    where observations.object_id = there.id
      and observations.observed_at <= (select at from asked)
      and observations.fact = 'state'
      and observations.disposition in ('first', 'late', 'duplicate')
    order by
      observations.resource_version desc,
      observations.position
    limit 1
  ) as position
from there
where position is not null
order by
  there.kind desc,
  there.name
