select max(number) as highest
from revision_states
where owner_uid = :workload_uid
