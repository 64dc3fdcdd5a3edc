select
  (
    select lower.number
    from revision_states as lower
    where lower.owner_uid = :workload_uid
      and lower.number < :number
      and exists (
        select 1
        from revision_states as born
        where born.object_id = lower.object_id
          and born.number = lower.number
          and born.resource_version < :version
      )
    order by
      lower.number desc,
      lower.resource_version desc
    limit 1
  ) as previous,
  (
    select lower.template_id
    from revision_states as lower
    where lower.owner_uid = :workload_uid
      and lower.number < :number
      and exists (
        select 1
        from revision_states as born
        where born.object_id = lower.object_id
          and born.number = lower.number
          and born.resource_version < :version
      )
    order by
      lower.number desc,
      lower.resource_version desc
    limit 1
  ) as previous_template_id,
  (
    select lower.number
    from revision_states as lower
    where lower.owner_uid = :workload_uid
      and lower.template_id = :template_id
      and lower.number < :number
      and exists (
        select 1
        from revision_states as born
        where born.object_id = lower.object_id
          and born.number = lower.number
          and born.resource_version < :version
      )
    order by lower.number desc
    limit 1
  ) as same_below,
  exists (
    select 1
    from revision_states as twin
    where twin.owner_uid = :workload_uid
      and twin.number = :number
      and twin.object_id <> :object_id
      and twin.resource_version < :version
  ) as has_twin
