select snapshots.*
from observations
join snapshots
  on snapshots.id = observations.snapshot
where observations.object_id = :object_id
  and observations.resource_version = :version
  and snapshots.after_version is not null
