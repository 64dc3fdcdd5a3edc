update workloads
set predecessor = :predecessor
where uid = :uid
