select
  resource_version,
  min(position) as position,
  min(observed_at) as observed_at
from observations
where object_id = :object_id
  and resource_version = (
    select min(resource_version)
    from observations
    where object_id = :object_id
      and resource_version > :version
      and disposition in ('first', 'late')
  )
group by resource_version
