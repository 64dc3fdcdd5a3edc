with recursive incarnations (uid) as (
  select :workload_uid
  union
  select workloads.predecessor
  from workloads
  join incarnations
    on incarnations.uid = workloads.uid
  where workloads.predecessor is not null
)
select
  objects.uid,
  objects.name,
  (
    select max(number)
    from revision_states
    where object_id = objects.id
      and resource_version < :deleted_version
  ) as number
from incarnations
cross join objects
  on objects.owner_uid = incarnations.uid
  and objects.kind = 'controllerrevisions'
  and (objects.deleted_version is null or objects.deleted_version >= :deleted_version)
where exists (
  select 1
  from revision_states
  where object_id = objects.id
    and owner_uid = :workload_uid
    and resource_version < :deleted_version
)
