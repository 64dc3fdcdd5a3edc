with there as (
  select object_id
  from pod_owners
  where owner_uid = :workload_uid
    and gone_at is null
    and since_at <= :since_at
  union all
  select pod_owners.object_id
  from pod_owners
  join objects
    on objects.id = pod_owners.object_id
    and coalesce(objects.deleted_after, objects.deleted_at) > :until_at
    and objects.deleted_version > :deleted_version
  where pod_owners.owner_uid = :workload_uid
    and pod_owners.gone_at > :until_at
    and pod_owners.since_at <= :since_at
)
select distinct held.revision
from there
join pod_states as held
  on held.object_id = there.object_id
where held.owner_uid = :workload_uid
  and held.resource_version = (
    select max(before.resource_version)
    from pod_states as before
    where before.object_id = there.object_id
      and before.observed_at <= :since_at
  )
  and not exists (
    select 1
    from pod_states as later
    where later.object_id = held.object_id
      and later.resource_version > held.resource_version
      and later.observed_at <= :until_at
      and (later.revision <> held.revision or later.owner_uid <> held.owner_uid)
  )
