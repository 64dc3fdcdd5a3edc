select *
from actions
where audit_id = :audit_id
  and stage = :stage
