select *
from pod_runs
where object_id = :object_id
