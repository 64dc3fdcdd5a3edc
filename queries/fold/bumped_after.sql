select max(observed_at) as observed_at
from observations
where object_id = :object_id
  and resource_version < :version
