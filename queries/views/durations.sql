-- title: durations
-- description: How long each complete rollout took, where both its beginning and its end were seen as they happened: not
--   in a gap, nor in the first seconds of a watch that was resumed and told what it had missed.
with timed as (
  select
    rollouts.workload_uid,
    rollouts.revision_uid,
    rollouts.number,
    rollouts.started_at,
    rollouts.finished_at,
    workloads.namespace
  from rollouts
  join workloads
    on workloads.uid = rollouts.workload_uid
  where rollouts.started_at is not null
    and rollouts.finished_at is not null
)
select
  timed.workload_uid,
  timed.revision_uid,
  timed.number,
  (julianday(timed.finished_at) - julianday(timed.started_at)) * 86400 as seconds
from timed
where not exists (
    select 1
    from gaps
    where gaps.kind in ('statefulsets', 'pods')
      and gaps.scope in ('*', timed.namespace)
      and (
        timed.started_at > gaps.last_seen_at
        and timed.started_at <= coalesce(gaps.closed_at, '9')
        or timed.finished_at > gaps.last_seen_at
        and timed.finished_at <= coalesce(gaps.closed_at, '9')
      )
  )
  and not exists (
    select 1
    from coverage
    where coverage.kind in ('statefulsets', 'pods')
      and coverage.scope in ('*', timed.namespace)
      and coverage.began_how = 'resumed'
      and (
        coverage.began_at between strftime('%Y-%m-%dT%H:%M:%f', timed.started_at, '-5 seconds')
          and timed.started_at
        or coverage.began_at between strftime('%Y-%m-%dT%H:%M:%f', timed.finished_at, '-5 seconds')
          and timed.finished_at
      )
  )
