select resource_version
from refusals
where object_id = :object_id
