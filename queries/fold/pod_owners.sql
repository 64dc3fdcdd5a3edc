select
  owner_uid,
  min(observed_at) as since_at
from pod_states
where object_id = :object_id
  and owner_uid <> ''
group by owner_uid
order by owner_uid
