-- title: How long rollouts take
-- description: For each workload the completed rollouts that were seen from beginning to end: how many, the median, the
--   95th percentile, the slowest, and how many were ever stuck.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   since: started at or after this time (RFC 3339); empty for any
--   until: started before this time; empty for any
-- columns:
--   namespace: the workload's namespace
--   workload: its name, all incarnations together
--   rollouts: completed rollouts that were timed
--   p50_seconds: half of them took at most this long
--   p95_seconds: 19 of 20 took at most this long
--   slowest_seconds: the longest
--   slowest_number: the revision number of that one
--   stuck: rollouts of this workload that were ever stuck
with asked as (
  select
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:since, 20)), 2, 7) || 'Z',
        substr(:since, 1, 19) || ltrim(substr(:since, 20), '.0123456789')
      ),
      :since
    ) as since,
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:until, 20)), 2, 7) || 'Z',
        substr(:until, 1, 19) || ltrim(substr(:until, 20), '.0123456789')
      ),
      :until
    ) as until
),
timed as (
  select
    workloads.namespace,
    workloads.name,
    rollouts.number,
    durations.seconds
  from workloads
  cross join rollouts
    on rollouts.workload_uid = workloads.uid
  cross join durations
    on durations.workload_uid = rollouts.workload_uid
    and durations.revision_uid = rollouts.revision_uid
    and durations.number = rollouts.number
  where (:namespace = '' or workloads.namespace = :namespace)
    and (:name = '' or workloads.name = :name)
    and (:since = '' or rollouts.started_at >= (select since from asked))
    and (:until = '' or rollouts.started_at < (select until from asked))
),
ranked as (
  select
    timed.*,
    row_number() over (partition by namespace, name order by seconds) as place,
    count(*) over (partition by namespace, name) as total
  from timed
)
select
  ranked.namespace,
  ranked.name as workload,
  max(ranked.total) as rollouts,
  round(min(ranked.seconds) filter (where ranked.place * 100 >= ranked.total * 50), 3) as p50_seconds,
  round(min(ranked.seconds) filter (where ranked.place * 100 >= ranked.total * 95), 3) as p95_seconds,
  round(max(ranked.seconds), 3) as slowest_seconds,
  max(ranked.number) filter (where ranked.place = ranked.total) as slowest_number,
  (
    select count(*)
    from rollouts
    join workloads
      on workloads.uid = rollouts.workload_uid
    where rollouts.stalled_at is not null
      and workloads.namespace = ranked.namespace
      and workloads.name = ranked.name
  ) as stuck
from ranked
group by
  ranked.namespace,
  ranked.name
order by
  p50_seconds desc,
  ranked.namespace,
  ranked.name
