select distinct
  namespace,
  name
from objects
where kind = 'persistentvolumeclaims'
  and namespace = :namespace
  and name > :prefix
  and name < :prefix || ':'
