-- title: Claims of a StatefulSet that a pod owns
-- description: The claims of a StatefulSet that were there at a time and that the pod of their ordinal owned, or an
--   earlier one of its name: where whenScaled is Delete, no other pod is made for such a claim.
-- parameters:
--   workload_uid: the incarnation
--   at: the time (RFC 3339)
-- columns:
--   template: the claim template it is made from
--   claim: its name
--   owners: its owner references then, JSON
--   finalizers: its finalizers then
--   terminating_at: deletionTimestamp
with asked as (
  select
    coalesce(
      strftime(
        '%Y-%m-%dT%H:%M:%S' || substr(printf('%.12f', '0' || substr(:at, 20)), 2, 7) || 'Z',
        substr(:at, 1, 19) || ltrim(substr(:at, 20), '.0123456789')
      ),
      :at
    ) as at
)
select
  claim_templates.template,
  claims.name as claim,
  claim_states.owners,
  claim_states.finalizers,
  claim_states.terminating_at
from claim_templates
join claims
  on claims.namespace = claim_templates.namespace
  and claims.name > claim_templates.template || '-' || claim_templates.workload || '-'
  and claims.name < claim_templates.template || '-' || claim_templates.workload || '-:'
join claim_states
  on claim_states.object_id = claims.object_id
  and claim_states.resource_version = (
    select max(newest.resource_version)
    from claim_states as newest
    where newest.object_id = claims.object_id
      and newest.observed_at <= (select at from asked)
  )
where claim_templates.workload_uid = :workload_uid
  and (claims.deleted_at is null or claims.deleted_at > (select at from asked))
  and exists (
    select 1
    from json_each(claim_states.owners) as owners
    where owners.value ->> 'kind' = 'Pod'
      and claims.name = claim_templates.template || '-' || (owners.value ->> 'name')
  )
order by claims.name
