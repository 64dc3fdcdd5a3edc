-- title: timeline
-- description: Everything that changed, with its author: what the questions about changes are asked of.
select
  revisions.observed_at as at,
  workloads.namespace,
  workloads.name as workload,
  revisions.trigger as what,
  revisions.number,
  revisions.label,
  revisions.generation,
  revisions.summary,
  case when revisions.trigger not in ('platform', 'adopted') then authors.actor end as actor,
  case when revisions.trigger not in ('platform', 'adopted') then authors.impersonated end
    as impersonated,
  case
    when revisions.trigger in ('platform', 'adopted') then 'unknown'
    when authors.basis in ('exact', 'strong') and revisions.generation_from <> 'status'
      then 'probable'
    else coalesce(authors.basis, 'unknown')
  end as basis,
  authors.position as actor_position,
  case
    when revisions.change_cause_state in ('fresh', 'late') then revisions.change_cause
  end as change_cause,
  coalesce(
    revisions.ticket,
    (
      select said.said
      from said
      where said.workload_uid = revisions.workload_uid
        and said.role = 'ticket'
        and (
          said.generation = revisions.generation
          and revisions.trigger not in ('platform', 'adopted')
          or said.number = revisions.number
          and said.revision_uid = revisions.revision_uid
        )
      order by
        said.source,
        said.position desc
      limit 1
    )
  ) as ticket,
  revisions.reason,
  revisions.workload_uid,
  revisions.revision_uid,
  revisions.position
from revisions
join workloads
  on workloads.uid = revisions.workload_uid
left join authors
  on authors.uid = revisions.workload_uid
  and authors.what = 'write'
  and authors.generation = revisions.generation
where revisions.trigger not in ('found', 'unseen')
union all
select
  spec_changes.observed_at,
  workloads.namespace,
  workloads.name,
  'spec',
  null,
  null,
  spec_changes.generation,
  group_concat(spec_changes.summary, ', '),
  authors.actor,
  authors.impersonated,
  coalesce(authors.basis, 'unknown'),
  authors.position,
  null,
  (
    select said.said
    from said
    where said.workload_uid = spec_changes.workload_uid
      and said.generation = spec_changes.generation
      and said.role = 'ticket'
  ),
  null,
  spec_changes.workload_uid,
  '',
  spec_changes.position
from spec_changes
join workloads
  on workloads.uid = spec_changes.workload_uid
left join authors
  on authors.uid = spec_changes.workload_uid
  and authors.what = 'write'
  and authors.generation = spec_changes.generation
group by
  spec_changes.workload_uid,
  spec_changes.generation
union all
select
  workloads.deleted_at,
  workloads.namespace,
  workloads.name,
  'deleted',
  null,
  null,
  null,
  case workloads.deleted_how
    when 'observed' then 'the StatefulSet was deleted'
    else 'the StatefulSet was deleted after ' || coalesce(workloads.deleted_after, 'its creation')
  end,
  authors.actor,
  authors.impersonated,
  coalesce(authors.basis, 'unknown'),
  authors.position,
  null,
  null,
  null,
  workloads.uid,
  '',
  null
from workloads
left join authors
  on authors.uid = workloads.uid
  and authors.what = 'deletion'
where workloads.deleted_at is not null
union all
select
  coalesce(terminations.observed_at, objects.deleted_at),
  pod_runs.namespace,
  coalesce(workloads.name, ''),
  iif(actions.subresource = 'eviction', 'pod evicted', 'pod deleted'),
  null,
  null,
  null,
  'pod ' || pod_runs.name,
  attributions.actor,
  attributions.impersonated,
  attributions.basis,
  attributions.position,
  null,
  null,
  null,
  pod_runs.workload_uid,
  '',
  terminations.position
from attributions
join objects
  on objects.id = attributions.object_id
join pod_runs
  on pod_runs.object_id = attributions.object_id
left join terminations
  on terminations.object_id = attributions.object_id
join actions
  on actions.position = attributions.position
left join workloads
  on workloads.uid = pod_runs.workload_uid
where attributions.what = 'deletion'
  and attributions.best = 1
  and attributions.by_controller = 0
union all
select
  coalesce(terminations.observed_at, objects.deleted_at),
  claims.namespace,
  coalesce(claims.workload, ''),
  'claim deleted',
  null,
  null,
  null,
  'claim ' || claims.name,
  attributions.actor,
  attributions.impersonated,
  attributions.basis,
  attributions.position,
  null,
  null,
  null,
  claims.workload_uid,
  '',
  terminations.position
from attributions
join objects
  on objects.id = attributions.object_id
join claims
  on claims.object_id = attributions.object_id
left join terminations
  on terminations.object_id = attributions.object_id
where attributions.what = 'deletion'
  and attributions.best = 1
  and attributions.by_controller = 0
union all
select
  gaps.opened_at,
  case gaps.scope when '*' then '' else gaps.scope end,
  '',
  'gap',
  null,
  null,
  null,
  gap_stories.story,
  null,
  null,
  'unknown',
  null,
  null,
  null,
  null,
  null,
  '',
  gaps.position
from gaps
join gap_stories
  on gap_stories.id = gaps.id
union all
select
  told.received_at,
  told.namespace,
  told.name,
  'imported',
  null,
  null,
  told.generation,
  told.verb || iif(told.subresource = '', '', ' ' || told.subresource) || ' of a time that nobody watched',
  told.user,
  told.impersonated,
  iif(told.code = 201, 'exact', 'probable'),
  told.position,
  null,
  null,
  null,
  told.uid,
  '',
  told.position
from (
  select
    actions.*,
    lag(generation) over (
      partition by uid
      order by
        received_at,
        position
    ) as generation_before
  from actions
  where imported <> ''
    and kind = 'statefulsets'
    and dry_run = 0
    and code between 200 and 299
) as told
where (
    told.verb = 'delete'
    or told.code = 201
    or told.subresource = 'scale'
    or told.generation > told.generation_before
  )
  and not exists (
    select 1
    from attributions
    where attributions.position = told.position
  )
