with first as (
  select max(observed_at) as since
  from revisions
  where workload_uid = :workload_uid
    and trigger not in ('found', 'adopted', 'unseen')
    and observed_at < :since
)
select
  revisions.workload_uid,
  revisions.revision_uid,
  revisions.number,
  revisions.label,
  revisions.name,
  revisions.trigger,
  revisions.template_id,
  revisions.generation,
  revisions.previous,
  case
    when revisions.trigger = 'platform' then revisions.observed_at
    else coalesce(
      (
        select min(set_states.observed_at)
        from set_states
        where set_states.object_id = :object_id
          and set_states.generation = revisions.generation
      ),
      revisions.observed_at
    )
  end as began_at,
  earlier.name as previous_name,
  earlier.template_id as previous_template_id
from first
cross join revisions
left join revisions as earlier
  on earlier.rowid = (
    select id
    from (
      select
        lower.rowid as id,
        lower.observed_at,
        lower.revision_uid,
        lower.observed_at <= revisions.observed_at as was_there
      from revisions as lower
      where lower.workload_uid = revisions.workload_uid
        and lower.number = revisions.previous
    )
    order by
      was_there desc,
      observed_at desc,
      revision_uid
    limit 1
  )
where revisions.workload_uid = :workload_uid
  and revisions.trigger <> 'unseen'
  and (
    first.since is null
    or (revisions.trigger not in ('found', 'adopted') and revisions.observed_at >= first.since)
  )
order by
  revisions.trigger in ('found', 'adopted') desc,
  case when revisions.trigger in ('found', 'adopted') then '' else revisions.observed_at end,
  revisions.number,
  revisions.revision_uid
