with known as (
  select
    generation,
    min(resource_version) as version,
    min(observed_at) as observed_at
  from set_states
  where object_id = :object_id
    and generation >= coalesce(
      (
        select max(generation)
        from set_states
        where object_id = :object_id
          and generation < :since
      ),
      0
    )
  group by generation
),
seen as (
  select max(observed_generation) as generation
  from set_states
  where object_id = :object_id
    and generation >= :since
)
select
  known.generation,
  known.observed_at,
  set_states.position,
  set_states.template_id,
  specs.spec,
  templates.digest,
  known.generation <= seen.generation
    and not exists (
      select 1
      from revisions
      join objects
        on objects.uid = revisions.workload_uid
      where objects.id = :object_id
        and revisions.generation = known.generation
        and revisions.trigger <> 'unseen'
    ) as is_past
from known
join seen
join set_states
  on set_states.object_id = :object_id
  and set_states.resource_version = known.version
join specs
  on specs.id = set_states.spec_id
join templates
  on templates.id = set_states.template_id
order by known.generation
