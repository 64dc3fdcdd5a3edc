delete from actions
where position = :position
