delete from gaps
where cause = :cause
  and instance_id = :instance_id
