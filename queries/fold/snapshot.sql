select *
from snapshots
where id = :id
