select uid
from workloads
where :scope = '*'
  or namespace = :scope
