select uid
from objects
where owner_uid = :owner_uid
  and deleted_version > :version
  and kind = 'controllerrevisions'
