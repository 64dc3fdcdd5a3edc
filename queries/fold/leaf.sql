select entry
from leaves
where position = :position
