select *
from actions
where position = :position
