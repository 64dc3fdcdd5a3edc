select
  detail,
  last_seen_at,
  opened_at,
  position
from gaps
where cause = :cause
  and instance_id = :instance_id
