delete from gaps
where id = :id
