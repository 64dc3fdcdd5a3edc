select *
from coverage
where instance_id = :instance_id
  and kind = :kind
  and scope = :scope
order by id desc
limit 1
