select number
from revisions
where workload_uid = :workload_uid
  and generation <= :generation
order by number desc
limit 1
offset 1
