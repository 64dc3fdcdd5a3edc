select template_id
from revision_states
where object_id = :object_id
limit 1
