select *
from objects
where uid = :uid
