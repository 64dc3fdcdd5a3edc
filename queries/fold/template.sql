select
  template,
  redaction_key
from templates
where id = :id
