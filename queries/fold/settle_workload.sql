update workloads
set
  deleted_at = :deleted_at,
  deleted_after = :deleted_after,
  deleted_how = :deleted_how,
  label = namespace || '/' || name
    || case when :deleted_at is null then '' else '~' || substr(uid, 1, 4) end
where uid = :uid
