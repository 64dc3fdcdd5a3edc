select *
from instances
where instance = :instance
