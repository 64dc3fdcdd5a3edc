select
  lower.number as previous,
  lower.name as previous_name,
  lower.template_id as previous_template_id,
  (
    select same.number
    from revision_states as same
    where same.owner_uid = :workload_uid
      and same.template_id = :template_id
      and same.number < :number
      and exists (
        select 1
        from revision_states as born
        where born.object_id = same.object_id
          and born.number = same.number
          and born.resource_version < :version
      )
    order by same.number desc
    limit 1
  ) as same_below,
  exists (
    select 1
    from revision_states as twin
    where twin.owner_uid = :workload_uid
      and twin.number = :number
      and twin.object_id <> :object_id
      and twin.resource_version < :version
  ) as has_twin,
  exists (
    select 1
    from revision_states as held
    where held.owner_uid = :workload_uid
      and held.template_id = :template_id
      and held.object_id <> :object_id
      and held.resource_version < :version
  ) as was_held
from (select 1)
left join (
  select
    older.number,
    older.template_id,
    objects.name
  from revision_states as older
  join objects
    on objects.id = older.object_id
  where older.owner_uid = :workload_uid
    and older.number < :number
    and exists (
      select 1
      from revision_states as born
      where born.object_id = older.object_id
        and born.number = older.number
        and born.resource_version < :version
    )
  order by
    older.number desc,
    older.resource_version desc
  limit 1
) as lower
