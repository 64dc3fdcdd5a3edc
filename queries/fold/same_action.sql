select *
from actions
where audit_id = :audit_id
  and stage = :stage
  and received_at = :received_at
  and user = :user
