select uid
from workloads
where predecessor = :uid
