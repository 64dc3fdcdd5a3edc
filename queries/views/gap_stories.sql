-- title: gap_stories
-- description: Each gap in words, and whether another watcher saw what was missed.
select
  id,
  case cause
    when 'generation-jump' then (detail ->> 'missed') || ' spec writes of ' || (detail ->> 'name')
      || ' were not seen: generation ' || (detail ->> 'from') || ' to ' || (detail ->> 'to')
    when 'sequence-jump' then ((detail ->> 'last') - (detail ->> 'first') + 1)
      || ' records of watcher ' || (detail ->> 'instance') || ' never arrived, from number '
      || (detail ->> 'first') || ' on'
    when 'relist-mismatch' then 'a list shows changes of ' || kind || ' that the watch never told: '
      || (detail ->> 'changed') || ' changed, ' || (detail ->> 'deleted') || ' deleted'
    when 'too-large' then 'the content of ' || (detail ->> 'name') || ' was withheld: '
      || (detail ->> 'bytes') || ' bytes'
    when 'redaction-failed' then 'the content of ' || (detail ->> 'name')
      || ' was withheld: it could not be examined for secrets'
    when 'rv-rollback' then 'the cluster was restored from a backup: ' || kind || ' begin anew'
    when 'log-truncated' then 'records are gone from the topic: ' || (detail ->> 'reason')
    when 'decode' then 'an answer about ' || kind || ' could not be read'
    when 'line-too-long' then 'an object of ' || kind || ' was too long to read: '
      || (detail ->> 'bytes') || ' bytes'
    else kind || ' were not watched since ' || last_seen_at || ': ' || cause
  end as story,
  exists (
    select 1
    from coverage
    where coverage.kind = gaps.kind
      and coverage.scope in ('*', gaps.scope)
      and coverage.instance_id <> gaps.instance_id
      and coverage.began_at <= gaps.last_seen_at
      and coverage.until_at >= coalesce(gaps.closed_at, (select now from progress))
  ) as covered
from gaps
