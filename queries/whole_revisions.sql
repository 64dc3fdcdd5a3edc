-- title: Revisions whose names can be checked
-- description: The newest revisions with a template in which nothing is hidden, so that Kubernetes' own hash of it,
--   part of the revision's name, can be worked out again.
-- parameters:
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   namespace: the namespace
--   workload: the StatefulSet
--   label: the number as shown
--   name: the ControllerRevision's name
--   template: the pod template, JSON
--   collision_count: how often a name of the set's revisions was taken (status.collisionCount)
select
  workloads.namespace,
  workloads.name as workload,
  revisions.label,
  revisions.name,
  templates.template,
  (
    select max(incarnations.collision_count)
    from workloads as incarnations
    where incarnations.namespace = workloads.namespace
      and incarnations.name = workloads.name
  ) as collision_count
from revisions
join workloads
  on workloads.uid = revisions.workload_uid
join templates
  on templates.id = revisions.template_id
  and templates.redaction_key is null
order by
  revisions.observed_at desc,
  revisions.position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
