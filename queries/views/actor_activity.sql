-- title: actor_activity
-- description: What the API server was asked to do, by whom, and how it answered, newest first.
select
  received_at,
  user,
  verb,
  kind || iif(subresource = '', '', '/' || subresource) as resource,
  trim(namespace || '/' || name, '/') as object,
  code,
  impersonated,
  agent
from actions
order by received_at desc
