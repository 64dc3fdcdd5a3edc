delete from revisions
where workload_uid = :workload_uid
  and number >= :from_number
