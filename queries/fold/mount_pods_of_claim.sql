select distinct object_id
from pod_claims
where namespace = :namespace
  and claim = :name
