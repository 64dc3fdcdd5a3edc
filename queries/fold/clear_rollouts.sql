delete from rollouts
where workload_uid = :workload_uid
  and number >= :number
