select *
from pod_runs
where uid = :uid
