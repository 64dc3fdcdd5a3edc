delete from mounts
where pod_uid = :pod_uid
