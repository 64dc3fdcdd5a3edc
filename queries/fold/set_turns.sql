select
  set_states.*,
  specs.spec
from set_states
join specs
  on specs.id = set_states.spec_id
where set_states.object_id = :object_id
  and set_states.observed_at < :until
  and set_states.resource_version >= coalesce(
    (
      select max(before.resource_version)
      from set_states as before
      where before.object_id = :object_id
        and before.observed_at <= :since
    ),
    0
  )
