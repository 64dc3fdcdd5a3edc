select id
from specs
where digest = :digest
