-- title: Restarts
-- description: Revisions that changed nothing but the time of the last restart (kubectl rollout restart), newest first.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   since: at or after this time (RFC 3339); empty for any
--   until: before this time; empty for any
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   observed_at: when the revision was first seen
--   namespace: the workload's namespace
--   workload: the workload's name
--   number: the revision number
--   status: what became of the rollout
--   restarted_at: the time written into the template, by the clock of whoever asked for it
--   actor: who did it, where known
--   basis: on what evidence the actor rests
--   workload_uid: the incarnation
--   position: the record it was seen in
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
  revisions.observed_at,
  workloads.namespace,
  workloads.name as workload,
  revisions.number,
  coalesce(rollouts.phase, 'unobserved') as status,
  json_extract(
    templates.template,
    '$.metadata.annotations."kubectl.kubernetes.io/restartedAt"'
  ) as restarted_at,
  null as actor,
  'unknown' as basis,
  revisions.workload_uid,
  revisions.position
from workloads
cross join revisions
  on revisions.workload_uid = workloads.uid
left join rollouts
  on rollouts.workload_uid = revisions.workload_uid
  and rollouts.number = revisions.number
  and rollouts.revision_uid = revisions.revision_uid
left join templates
  on templates.id = revisions.template_id
where revisions.trigger = 'restart'
  and (:namespace = '' or workloads.namespace = :namespace)
  and (:name = '' or workloads.name = :name)
  and (:since = '' or revisions.observed_at >= (select since from asked))
  and (:until = '' or revisions.observed_at < (select until from asked))
order by
  revisions.observed_at desc,
  revisions.position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
