-- title: What kubectl rollout history lists now
-- description: The live ControllerRevisions of a StatefulSet that exists, by number, with the change cause copied to
--   each. Two revisions of one number collapse to the one listed last, as in kubectl (polymorphichelpers/history.go).
-- parameters:
--   namespace: the namespace
--   name: the StatefulSet's name
-- columns:
--   number: the revision number
--   change_cause: the annotation on the ControllerRevision; null when there is none
--   name: name of the ControllerRevision
select
  revisions.number,
  (
    select change_cause
    from revision_states
    where object_id = objects.id
    order by resource_version desc
    limit 1
  ) as change_cause,
  max(revisions.name) as name
from revisions
join workloads
  on workloads.uid = revisions.workload_uid
join objects
  on objects.uid = revisions.revision_uid
where workloads.namespace = :namespace
  and workloads.name = :name
  and workloads.deleted_at is null
  and revisions.live = 1
group by revisions.number
order by revisions.number
