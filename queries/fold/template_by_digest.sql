select id
from templates
where digest = :digest
