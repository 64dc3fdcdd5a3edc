-- title: first_said
-- description: What was said first of each write, by role; of what was said at once, what our own undo said.
select
  object_id,
  generation,
  role,
  said,
  iif(source = 'undo annotation', 'undo', source) as source
from statements
where not exists (
    select 1
    from statements as other
    where other.object_id = statements.object_id
      and other.generation = statements.generation
      and other.role = statements.role
      and (
        other.position < statements.position
        or other.position = statements.position
        and other.source > statements.source
      )
  )
