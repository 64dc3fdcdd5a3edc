-- title: What the records are about
-- description: The newest records of the log, counted by kind and by what became of them. Duplicates and recodings
--   change nothing; many of them mean that two watchers run, or that lists are repeated.
-- parameters:
--   last: count this many of the newest records; empty for 10,000
-- columns:
--   kind: the kind, plural; for what is about no object, what the record is
--   records: how many records
--   objects: how many objects they are about
--   deletions: observed deletions among them
--   duplicates: the same state of an object, again
--   recodings: the same resourceVersion with other data
--   late: states that came after a newer one
--   first_at: the time of the first of them
--   last_at: the time of the last
select
  coalesce(objects.kind, observations.fact) as kind,
  count(*) as records,
  count(distinct observations.object_id) as objects,
  count(*) filter (where observations.fact = 'deleted') as deletions,
  count(*) filter (where observations.disposition = 'duplicate') as duplicates,
  count(*) filter (where observations.disposition = 'recoding') as recodings,
  count(*) filter (where observations.disposition = 'late') as late,
  min(observations.observed_at) as first_at,
  max(observations.observed_at) as last_at
from observations
left join objects
  on objects.id = observations.object_id
where observations.position >= (select next_position from progress)
  - case when :last = '' then 10000 else cast(:last as integer) end
group by coalesce(objects.kind, observations.fact)
order by
  records desc,
  kind
