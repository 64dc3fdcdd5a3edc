-- title: Why we say who made a revision
-- description: Everything that speaks for an author of a revision, the best first: the request in the audit log, the
--   admission stamp, the field manager, with the records that say so.
-- parameters:
--   workload_uid: the incarnation
--   generation: the StatefulSet generation that caused the revision
-- columns:
--   basis: exact, strong, probable or claimed
--   source: audit, stamp or manager
--   actor: who
--   impersonated: as whom
--   verb: what was asked
--   received_at: when the API server received it
--   code: how it answered
--   agent: the client, by its own word
--   addresses: where it came from, JSON
--   audit_id: the API server's id of the request
--   level: how much the audit policy let be logged
--   imported: the file it was imported from; empty when it was told as it happened
--   position: the record that says so
select
  attributions.basis,
  attributions.source,
  attributions.actor,
  attributions.impersonated,
  actions.verb || iif(actions.subresource = '', '', ' ' || actions.subresource) as verb,
  actions.received_at,
  actions.code,
  actions.agent,
  actions.addresses,
  actions.audit_id,
  actions.level,
  actions.imported,
  attributions.position
from objects
join attributions
  on attributions.object_id = objects.id
left join actions
  on actions.position = attributions.position
  and attributions.source = 'audit'
where objects.uid = :workload_uid
  and attributions.what = 'write'
  and attributions.generation = cast(:generation as integer)
order by
  attributions.best desc,
  attributions.rank,
  attributions.position
