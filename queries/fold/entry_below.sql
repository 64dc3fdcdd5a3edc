select
  number,
  name,
  revision_uid,
  template_id,
  generation
from revisions
where workload_uid = :workload_uid
  and number < :number
  and trigger <> 'unseen'
order by number desc, position desc
limit 1
