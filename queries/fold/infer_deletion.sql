update objects
set
  deleted_version = :version,
  deleted_at = (
    select min(:ended_at, coalesce(min(successor.created_at), :ended_at))
    from objects as successor
    where successor.kind = objects.kind
      and successor.namespace = objects.namespace
      and successor.name = objects.name
      and successor.created_at > objects.created_at
  ),
  deleted_after = case
    when :ended_at is not null
      then coalesce(alive_at, case when created_at <= :ended_at then created_at end)
  end,
  deleted_how = case when :ended_at is null then null else 'inferred' end
where id = :object_id
  and deleted_how is not 'observed'
  and deleted_version is not :version
