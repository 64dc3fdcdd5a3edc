select id
from objects
where :uid <> ''
  and uid = :uid
union
select objects.id
from deleted_together
join objects
  on objects.uid = deleted_together.uid
where deleted_together.position = :position
union
select id
from objects
where :uid = ''
  and kind = :kind
  and namespace = :namespace
  and name = :name
  and coalesce(deleted_at, :since) >= :since
