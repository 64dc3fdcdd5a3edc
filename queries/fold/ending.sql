select
  objects.uid,
  objects.kind,
  objects.namespace,
  objects.name,
  objects.created_at,
  terminations.resource_version as version,
  coalesce(terminations.observed_at, objects.deleted_at) as ended_at,
  -- since when the object is known in its last epoch, where an earlier one had it too
  case
    when objects.resource_version >= :span then (
      select seen.observed_at
      from (
        select min(observations.observed_at) as observed_at
        from observations
        where observations.object_id = objects.id
          and observations.resource_version >= objects.resource_version / :span * :span
      ) as seen
      where exists (
        select 1
        from observations
        where observations.object_id = objects.id
          and observations.resource_version < objects.resource_version / :span * :span
      )
    )
  end as restored_at
from objects
left join terminations
  on terminations.object_id = objects.id
  and terminations.resource_version / :span = objects.resource_version / :span
where objects.id = :object_id
