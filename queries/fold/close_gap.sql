update gaps
set
  closed_at = coalesce(closed_at, :closed_at),
  next_version = coalesce(next_version, :next_version)
where id = :id
