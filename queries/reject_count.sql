-- title: How many records could not be read
-- description: Poison records are kept in the log and named in the table rejects.
-- columns:
--   rejects: how many
select count(*) as rejects
from rejects
