-- title: How often changes are undone
-- description: For each workload, over all its incarnations, how many changes were made and how many were taken back.
--   A return (an old manifest applied again) may be a deliberate step back: it is counted beside the undos, not among
--   them.
-- parameters:
--   namespace: the namespace; empty for all
--   since: at or after this time (RFC 3339); empty for any
--   until: before this time; empty for any
-- columns:
--   namespace: the workload's namespace
--   workload: the workload's name
--   changes: revisions made by a change or a restart
--   undos: revisions made by an undo
--   undo_percent: undos for each hundred changes; null when there were no changes
--   returns: revisions that brought an old template back without a trace of an undo
--   incomplete: changes that never ran on every pod
--   last_undo_at: the newest undo
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
)
select
  workloads.namespace,
  workloads.name as workload,
  count(*) filter (where revisions.trigger in ('change', 'restart')) as changes,
  count(*) filter (where revisions.trigger = 'undo') as undos,
  round(
    100.0 * count(*) filter (where revisions.trigger = 'undo')
    / nullif(count(*) filter (where revisions.trigger in ('change', 'restart')), 0),
    1
  ) as undo_percent,
  count(*) filter (where revisions.trigger = 'return') as returns,
  count(*) filter (
    where revisions.trigger in ('change', 'restart')
      and rollouts.phase in ('superseded', 'undone', 'deleted')
  ) as incomplete,
  max(revisions.observed_at) filter (where revisions.trigger = 'undo') as last_undo_at
from workloads
cross join revisions
  on revisions.workload_uid = workloads.uid
left join rollouts
  on rollouts.workload_uid = revisions.workload_uid
  and rollouts.number = revisions.number
  and rollouts.revision_uid = revisions.revision_uid
where revisions.trigger in ('change', 'restart', 'undo', 'return')
  and (:namespace = '' or workloads.namespace = :namespace)
  and (:since = '' or revisions.observed_at >= (select since from asked))
  and (:until = '' or revisions.observed_at < (select until from asked))
group by
  workloads.namespace,
  workloads.name
order by
  undos desc,
  changes desc,
  workloads.namespace,
  workloads.name
