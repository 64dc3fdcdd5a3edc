-- title: Changes that made no revision
-- description: Everything about a StatefulSet that changed beside its revisions, by generation: replicas, partition,
--   strategy, limits, retention, claim templates from one incarnation to the next, and templates that were replaced
--   before the controller made a revision of them.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   workload_uid: only this incarnation; empty for all
--   since: at or after this time (RFC 3339); empty for any
--   until: before this time; empty for any
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   observed_at: when it was seen
--   namespace: the workload's namespace
--   workload: its name
--   generation: the generation that has it
--   field: the path of the field in the spec
--   summary: the change in a few words
--   old: the value before, JSON
--   new: the value since, JSON
--   actor: who did it, where known
--   impersonated: as whom, where the actor took another's name
--   basis: on what evidence the actor rests
--   after_generation: the generation it is compared with; null for the incarnation before
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
  spec_changes.observed_at,
  workloads.namespace,
  workloads.name as workload,
  spec_changes.generation,
  spec_changes.field,
  spec_changes.summary,
  spec_changes.old,
  spec_changes.new,
  attributions.actor,
  nullif(attributions.impersonated, '') as impersonated,
  coalesce(attributions.basis, 'unknown') as basis,
  spec_changes.after_generation,
  spec_changes.workload_uid,
  spec_changes.position
from workloads
cross join spec_changes
  on spec_changes.workload_uid = workloads.uid
left join objects
  on objects.uid = spec_changes.workload_uid
left join attributions
  on attributions.object_id = objects.id
  and attributions.what = 'write'
  and attributions.generation = spec_changes.generation
  and attributions.best = 1
where (:namespace = '' or workloads.namespace = :namespace)
  and (:name = '' or workloads.name = :name)
  and (:workload_uid = '' or workloads.uid = :workload_uid)
  and (:since = '' or spec_changes.observed_at >= (select since from asked))
  and (:until = '' or spec_changes.observed_at < (select until from asked))
order by
  spec_changes.observed_at desc,
  spec_changes.generation desc,
  spec_changes.field
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
