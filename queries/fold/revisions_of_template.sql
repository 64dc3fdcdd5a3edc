select distinct revisions.revision_uid
from templates
join revisions
  on revisions.template_id = templates.id
where templates.digest = :digest
