select content
from observations
where object_id = :object_id
  and resource_version = :version
  and fact = :fact
order by position
limit 1
