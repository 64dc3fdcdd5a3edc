select *
from actions
where uid = :uid
  and received_at between :restored_at and :until
  and verb in ('delete', 'deletecollection')
  and dry_run = 0
  and code between 200 and 299
union all
select
  actions.position,
  actions.audit_id,
  actions.stage,
  actions.level,
  actions.verb,
  actions.kind,
  actions.subresource,
  actions.namespace,
  actions.name,
  :uid,
  deleted_together.resource_version,
  actions.generation,
  actions.code,
  actions.user,
  actions.impersonated,
  actions.agent,
  actions.addresses,
  actions.manager,
  actions.apply,
  actions.dry_run,
  actions.received_at,
  actions.completed_at,
  actions.replicas,
  actions.touched,
  actions.removed,
  actions.imported,
  actions.required_version
from deleted_together
join actions
  on actions.position = deleted_together.position
where deleted_together.uid = :uid
  and actions.received_at between :restored_at and :until
  and actions.dry_run = 0
  and actions.code between 200 and 299
union all
select *
from actions
where kind = :kind
  and namespace = :namespace
  and name = :name
  and received_at between max(:since, :restored_at) and :until
  and uid = ''
  and (verb = 'delete' or subresource = 'eviction')
  and dry_run = 0
  and code between 200 and 299
