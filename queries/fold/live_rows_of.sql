select
  workload_uid,
  revision_uid,
  number,
  template_id
from revisions
where revision_uid = :revision_uid
  and (live = 1 or number >= :number)
