delete from attributions
where object_id = :object_id
  and what = :what
  and generation = :generation
