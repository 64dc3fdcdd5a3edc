select distinct
  claims.namespace,
  claims.name
from claims
join claim_states
  on claim_states.object_id = claims.object_id
where claims.namespace = :namespace
  and instr(claim_states.owners, :uid) > 0
