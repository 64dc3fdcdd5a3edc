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
  object_id,
  generation
from meant
join set_states
  on set_states.object_id = meant.id
where generation in (:generation, :generation + 1)
union
select
  object_id,
  generation
from meant
join set_states
  on set_states.object_id = meant.id
where resource_version = :version
union
select
  object_id,
  generation
from meant
join set_states
  on set_states.object_id = meant.id
where observed_at between :since and :until
  or observed_at > :until
  and resource_version <= :version
union
select
  meant.id,
  (
    select generation
    from set_states
    where object_id = meant.id
      and observed_at > :until
    order by
      observed_at,
      resource_version
    limit 1
  )
from meant
