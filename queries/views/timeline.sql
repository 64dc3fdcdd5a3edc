-- title: timeline
-- description: Everything that changed, with its author: what the questions about changes are asked of.
select
  told.*,
  case
    when what = 'gap' then ''
    when actor is null then 'unknown'
    when basis = 'claimed' then 'claimed'
    when actor like 'system:serviceaccount:kube-system:%' or actor like 'system:node:%' or actor like 'system:kube-%'
      then 'kubernetes'
    when actor like 'system:serviceaccount:%' then 'pipelines'
    else 'people'
  end as by
from (
  select
    revisions.workload_uid || '/' || revisions.number || '/' || revisions.revision_uid as change_id,
    revisions.observed_at as at,
    workloads.namespace,
    workloads.name as workload,
    revisions.trigger as what,
    revisions.number,
    revisions.label,
    revisions.generation,
    revisions.summary,
    credits.actor,
    credits.impersonated,
    credits.basis,
    credits.actor_source,
    credits.actor_position,
    case
      when revisions.change_cause_state in ('fresh', 'late') then revisions.change_cause
    end as change_cause,
    credits.ticket,
    credits.ticket_source,
    credits.approver,
    credits.approver_source,
    revisions.reason,
    revisions.workload_uid,
    revisions.revision_uid,
    revisions.position
  from revisions
  join workloads
    on workloads.uid = revisions.workload_uid
  join credits
    on credits.workload_uid = revisions.workload_uid
    and credits.number = revisions.number
    and credits.revision_uid = revisions.revision_uid
  where revisions.trigger not in ('found', 'unseen')
  union all
  select
    written.workload_uid || '/g' || written.generation,
    written.observed_at,
    workloads.namespace,
    workloads.name,
    'spec',
    null,
    null,
    written.generation,
    written.summary,
    attributions.actor,
    nullif(attributions.impersonated, '') as impersonated,
    coalesce(attributions.basis, 'unknown'),
    attributions.source,
    attributions.position,
    null,
    tickets.said,
    tickets.source,
    approvers.said,
    approvers.source,
    null,
    written.workload_uid,
    '',
    written.position
  from (
    select
      workload_uid,
      generation,
      min(observed_at) as observed_at,
      min(position) as position,
      group_concat(summary, ', ') as summary
    from (
      select *
      from spec_changes
      order by
        workload_uid,
        generation,
        field
    )
    group by
      workload_uid,
      generation
  ) as written
  join workloads
    on workloads.uid = written.workload_uid
  left join objects
    on objects.uid = written.workload_uid
  left join attributions
    on attributions.object_id = objects.id
    and attributions.what = 'write'
    and attributions.generation = written.generation
    and attributions.best = 1
  left join first_said as tickets
    on tickets.object_id = objects.id
    and tickets.generation = written.generation
    and tickets.role = 'ticket'
  left join first_said as approvers
    on approvers.object_id = objects.id
    and approvers.generation = written.generation
    and approvers.role = 'approver'
  union all
  select
    workloads.uid || '/deleted',
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
    attributions.actor,
    nullif(attributions.impersonated, '') as impersonated,
    coalesce(attributions.basis, 'unknown'),
    attributions.source,
    attributions.position,
    null,
    null,
    null,
    null,
    null,
    null,
    workloads.uid,
    '',
    (
      select min(observations.position)
      from observations
      where observations.object_id = objects.id
        and observations.resource_version = objects.deleted_version
        and observations.fact = 'deleted'
    )
  from workloads
  left join objects
    on objects.uid = workloads.uid
  left join attributions
    on attributions.object_id = objects.id
    and attributions.what = 'deletion'
    and attributions.best = 1
  where workloads.deleted_at is not null
  union all
  select
    pod_runs.uid || '/deleted',
    coalesce(terminations.observed_at, objects.deleted_at),
    pod_runs.namespace,
    coalesce(workloads.name, ''),
    iif(actions.subresource = 'eviction', 'pod evicted', 'pod deleted'),
    null,
    null,
    null,
    'pod ' || pod_runs.name,
    attributions.actor,
    nullif(attributions.impersonated, '') as impersonated,
    attributions.basis,
    attributions.source,
    attributions.position,
    null,
    null,
    null,
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
    claims.uid || '/deleted',
    coalesce(terminations.observed_at, objects.deleted_at),
    claims.namespace,
    coalesce(claims.workload, ''),
    'claim deleted',
    null,
    null,
    null,
    'claim ' || claims.name,
    attributions.actor,
    nullif(attributions.impersonated, '') as impersonated,
    attributions.basis,
    attributions.source,
    attributions.position,
    null,
    null,
    null,
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
    'gap/' || gaps.id,
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
    'audit/' || actions.audit_id || '/' || actions.received_at,
    actions.received_at,
    actions.namespace,
    actions.name,
    'imported',
    null,
    null,
    actions.generation,
    unwatched.request || ' of a time that nobody watched',
    actions.user,
    nullif(actions.impersonated, ''),
    unwatched.basis,
    'audit',
    actions.position,
    null,
    null,
    null,
    null,
    null,
    null,
    actions.uid,
    '',
    actions.position
  from unwatched
  join actions
    on actions.position = unwatched.position
) as told
