select *
from actions
where uid = :uid
  and resource_version > :before_version
  and received_at <= :until
  and dry_run = 0
  and code between 200 and 299
union all
select *
from actions
where kind = 'statefulsets'
  and namespace = :namespace
  and name = :name
  and received_at between :since and :until
  and resource_version is null
  and uid in ('', :uid)
  and dry_run = 0
  and code between 200 and 299
