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
with asked as (
  select
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:since, 20)), 2, 7) || 'Z',
        substr(:since, 1, 19) || ltrim(substr(:since, 20), '.0123456789')
      ),
      :since
    ) as since,
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:until, 20)), 2, 7) || 'Z',
        substr(:until, 1, 19) || ltrim(substr(:until, 20), '.0123456789')
      ),
      :until
    ) as until
)
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
  and (:since = '' or coverage.until_at >= (select since from asked))
  and (:until = '' or coverage.began_at < (select until from asked))
order by
  coverage.began_at desc,
  coverage.kind,
  coverage.scope
