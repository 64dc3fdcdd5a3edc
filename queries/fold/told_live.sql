update actions
set imported = ''
where position = :position
