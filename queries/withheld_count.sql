-- title: Withheld content
-- description: How many states could not be examined for secrets and are known without content.
-- columns:
--   states: the number of such states
select count(*) as states
from withheld
where reason = 'redaction-failed'
