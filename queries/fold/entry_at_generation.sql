select number
from revisions
where workload_uid = :workload_uid
  and generation <= :generation
  and generation_from = 'status'
order by number desc
limit 1
offset 1
