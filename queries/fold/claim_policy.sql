select
  coalesce(specs.spec ->> '$.persistentVolumeClaimRetentionPolicy.whenDeleted', 'Retain')
    as when_deleted,
  coalesce(specs.spec ->> '$.persistentVolumeClaimRetentionPolicy.whenScaled', 'Retain')
    as when_scaled
from objects
join set_states
  on set_states.object_id = objects.id
join specs
  on specs.id = set_states.spec_id
where objects.uid = :workload_uid
order by
  set_states.observed_at <= :at desc,
  case when set_states.observed_at <= :at then set_states.resource_version end desc,
  set_states.resource_version
limit 1
