select
  workloads.*,
  objects.id as object_id,
  objects.deleted_at as object_deleted_at,
  objects.deleted_after as object_deleted_after,
  objects.deleted_how as object_deleted_how
from workloads
left join objects
  on objects.uid = workloads.uid
where workloads.uid = :uid
