select distinct
  namespace,
  claim as name
from pod_claims
where object_id = :object_id
