select 1
from templates
join sealed
  on sealed.template_digest = templates.digest
where templates.id = :id
limit 1
