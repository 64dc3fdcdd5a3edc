select
  (
    select min(number)
    from revision_states
    where object_id = objects.id
      and owner_uid = :workload_uid
      and number > :number
  ) as next_number,
  (
    select observed_at
    from revision_states
    where object_id = objects.id
      and owner_uid = :workload_uid
      and number > :number
    order by number
    limit 1
  ) as next_observed_at,
  (
    select owner_uid
    from revision_states
    where object_id = objects.id
    order by resource_version desc
    limit 1
  ) as last_owner_uid,
  (
    select min(observed_at)
    from revision_states
    where object_id = objects.id
      and owner_uid <> :workload_uid
      and resource_version > (
        select max(resource_version)
        from revision_states
        where object_id = objects.id
          and owner_uid = :workload_uid
      )
  ) as disowned_at,
  objects.deleted_at,
  objects.deleted_after,
  objects.deleted_version,
  objects.deleted_how
from objects
where objects.uid = :revision_uid
