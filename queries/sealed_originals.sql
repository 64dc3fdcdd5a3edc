-- title: Sealed originals
-- description: Where in the log the originals of pod templates lie, encrypted, newest first. Whoever holds an identity
--   of the recipients can open them; docs/originals.md says how.
-- parameters:
--   template_digest: of this recorded template only; empty for all
--   key_id: sealed to this set of recipients only; empty for all
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   template_digest: the recorded template whose original it is
--   key_id: names the set of recipients it is sealed to
--   recipients: how many recipients that are
--   sealed_at: when the watcher sealed it
--   position: the record in the log
select
  sealed.template_digest,
  sealed.key_id,
  sealed.recipients,
  sealed.sealed_at,
  sealed.position
from sealed
where (:template_digest = '' or sealed.template_digest = :template_digest)
  and (:key_id = '' or sealed.key_id = :key_id)
order by sealed.position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
