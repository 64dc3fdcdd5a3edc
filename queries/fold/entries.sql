select
  objects.id as object_id,
  objects.uid as revision_uid,
  objects.name,
  objects.created_at,
  revision_states.number,
  min(revision_states.resource_version) as version,
  revision_states.position,
  revision_states.observed_at,
  revision_states.template_id,
  revision_states.change_cause,
  (
    select number
    from revision_states as earlier
    where earlier.object_id = objects.id
      and earlier.resource_version < revision_states.resource_version
    order by earlier.resource_version desc
    limit 1
  ) as earlier_number,
  (
    select min(born.resource_version)
    from revision_states as born
    where born.object_id = objects.id
      and born.number = revision_states.number
  ) as born
from revision_states
join objects
  on objects.id = revision_states.object_id
where revision_states.owner_uid = :workload_uid
  and revision_states.number >= :from_number
group by objects.id, revision_states.number
order by
  born,
  revision_states.number
