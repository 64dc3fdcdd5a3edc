-- title: What was watched
-- description: Each stretch in which a stream was watched by one process, with how long it lasted. What lies in no
--   stretch was not seen; a stretch ends at its last proof, not at the last change.
-- parameters:
--   kind: a kind, plural, such as statefulsets; empty for all
--   since: still watched at or after this time (RFC 3339); empty for any
--   until: begun before this time; empty for any
-- columns:
--   kind: the kind, plural
--   scope: the namespace, or * for all
--   instance: the watcher process
--   began_at: when it began
--   began_how: listed afresh, or resumed from the log
--   until_at: the newest proof that the stream was watched
--   seconds: how long that is
--   state: what the watcher last said of the stream
--   ended_how: stopped or gap; null while it goes on
--   resource_version: the newest resourceVersion it had reached
--   redaction_policy: how secrets were hidden: secrets, strict or off
select
  coverage.kind,
  coverage.scope,
  instances.instance,
  coverage.began_at,
  coverage.began_how,
  coverage.until_at,
  round((julianday(coverage.until_at) - julianday(coverage.began_at)) * 86400, 1) as seconds,
  coverage.state,
  coverage.ended_how,
  coverage.resource_version,
  coverage.redaction_policy
from coverage
join instances
  on instances.id = coverage.instance_id
where (:kind = '' or coverage.kind = :kind)
  and (:since = '' or coverage.until_at >= coalesce(strftime('%Y-%m-%dT%H:%M:%f', :since), :since))
  and (:until = '' or coverage.began_at < coalesce(strftime('%Y-%m-%dT%H:%M:%f', :until), :until))
order by
  coverage.began_at desc,
  coverage.kind,
  coverage.scope
