update revisions
set
  restorable = :restorable,
  restorable_why = :restorable_why,
  live = :live,
  pruned_at = :pruned_at,
  pruned_after = :pruned_after,
  pruned_why = :pruned_why
where workload_uid = :workload_uid
  and revision_uid = :revision_uid
  and number = :number
