-- title: Records that could not be read
-- description: Poison records by position. Their bytes stay in the log, since what cannot be parsed cannot be redacted.
-- columns:
--   position: its place in the log
--   sha256: SHA-256 of its bytes
--   bytes: how many bytes it has
--   reason: why it could not be read
select
  position,
  sha256,
  bytes,
  reason
from rejects
order by position
