insert into snapshot_members (snapshot, object_id)
values (:snapshot, :object_id)
on conflict (snapshot, object_id) do nothing
