select distinct owner_uid
from pod_states
where object_id = :object_id
  and owner_uid <> ''
order by owner_uid
