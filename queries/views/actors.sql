-- title: actors
-- description: Who changed things, how often, and how far that is proven.
select
  actor,
  count(*) as changes,
  sum(basis in ('exact', 'strong')) as proven,
  sum(basis = 'probable') as probable,
  sum(basis = 'claimed') as claimed,
  sum(ticket is null) as without_ticket,
  min(at) as first_at,
  max(at) as last_at
from timeline
where what <> 'gap'
group by actor
order by changes desc
