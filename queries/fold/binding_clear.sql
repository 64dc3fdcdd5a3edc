delete from bindings
where claim_uid = :uid
