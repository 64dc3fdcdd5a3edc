select
  pod_claims.volume,
  pod_claims.namespace,
  pod_claims.claim,
  objects.uid as claim_uid,
  objects.created_at as claim_created_at,
  objects.deleted_at as claim_deleted_at,
  objects.deleted_after as claim_deleted_after
from pod_claims
join objects
  on objects.kind = 'persistentvolumeclaims'
  and objects.namespace = pod_claims.namespace
  and objects.name = pod_claims.claim
where pod_claims.object_id = :object_id
