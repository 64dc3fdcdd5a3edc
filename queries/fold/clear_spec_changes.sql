delete from spec_changes
where workload_uid = :workload_uid
  and (
    generation >= :generation
    or generation >= :since
    and field = 'template'
  )
