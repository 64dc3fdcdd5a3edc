insert into snapshot_members (snapshot, uid, version)
values (:snapshot, :uid, :version)
on conflict (snapshot, uid) do nothing
