-- title: actors
-- description: Who changed things, how often, and how far that is proven.
select
  actor,
  by,
  count(*) as changes,
  sum(basis in ('exact', 'strong')) as proven,
  sum(basis = 'probable') as probable,
  sum(basis = 'claimed') as claimed,
  sum(ticket is null) as without_ticket,
  max(at) as last_at
from timeline
where what <> 'gap'
group by
  actor,
  by
order by changes desc
