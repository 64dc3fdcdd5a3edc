select coalesce(
  (
    select min(case when trigger in ('found', 'adopted') then '' else observed_at end)
    from revisions
    where workload_uid = :workload_uid
      and number >= :number
      and trigger <> 'unseen'
  ),
  (
    select max(observed_at)
    from revisions
    where workload_uid = :workload_uid
      and trigger <> 'unseen'
  )
) as since
