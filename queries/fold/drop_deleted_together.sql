delete from deleted_together
where position = :position
