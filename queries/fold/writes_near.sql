with meant as (
  select id
  from objects
  where :uid <> ''
    and uid = :uid
  union
  select id
  from objects
  where :uid = ''
    and kind = :kind
    and namespace = :namespace
    and name = :name
)
select
  meant.id as object_id,
  set_states.generation
from meant
join set_states
  on set_states.object_id = meant.id
where set_states.generation = :generation
  or set_states.observed_at between :since and :until
union
select
  meant.id,
  (
    select generation
    from set_states
    where object_id = meant.id
      and resource_version >= :version
    order by resource_version
    limit 1
  )
from meant
