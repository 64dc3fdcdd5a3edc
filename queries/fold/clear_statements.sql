delete from statements
where object_id = :object_id
  and generation = :generation
