-- title: What a report rests on
-- description: The cluster, and how far its log was folded when the question was asked.
-- columns:
--   cluster: uid of namespace kube-system
--   position: the last record
--   records: how many there are
--   as_of: the time of the newest record
select
  cluster,
  next_position - 1 as position,
  tree_size as records,
  now as as_of
from progress
