update revision_states
set observed_at = :observed_at
where object_id = :object_id
  and resource_version = :version
  and observed_at > :observed_at
