select
  resource_version as version,
  generation,
  observed_at,
  instance_id,
  min(position) as position
from observations
where object_id = :object_id
  and disposition in ('first', 'late')
  and resource_version in (
    (
      select max(resource_version)
      from observations
      where object_id = :object_id
        and resource_version < :version
    ),
    :version,
    (
      select min(resource_version)
      from observations
      where object_id = :object_id
        and resource_version > :version
    )
  )
group by resource_version
order by resource_version
