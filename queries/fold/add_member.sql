insert into snapshot_members (snapshot, uid)
values (:snapshot, :uid)
on conflict (snapshot, uid) do nothing
