-- title: Claims and volumes
-- description: Every claim of every StatefulSet: what it is doing, which volume it has, which pod used it last, and what
--   differs from what its template asks for now.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   orphans: yes for claims left behind only; empty for all
--   deleted: yes to have deleted claims too; empty for living ones
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   namespace: its namespace
--   workload: the StatefulSet that its name says it belongs to; null when none is known
--   claim: its name
--   template: the claim template it is made from
--   ordinal: its ordinal
--   status: mounted, awaited, left behind, unmounted, never mounted, terminating, lost or deleted
--   pod: the pod that uses it, or used it last
--   pod_revision: the revision that pod ran
--   since: when that pod got it; for a claim not in use when it was last in use; for a deleted one when it was gone
--   left_by: scale-down, deletion, or another template list
--   volume: its volume
--   volume_phase: the volume's phase
--   reclaim_policy: what becomes of the volume when the claim goes
--   asked: storage it requests
--   capacity: storage it has
--   class: its storage class
--   access_modes: its access modes
--   first_asked: storage it requested when it was first seen
--   template_asked: storage the template asks for now
--   template_class: class the template asks for now
--   template_access_modes: access modes the template asks for now
--   drift: size, class, access modes: what the template asks for otherwise now
--   enlarged: 1 when more is requested than at first
--   volume_before: the volume that the claim of this name had before, if another one
--   volume_before_phase: the phase of that volume now; empty when it is gone
--   rebound: 1 when it has the volume of the claim that had this name before
--   rebound_by: the field manager that wrote the volume's claimRef, if known
--   readopted_from: the incarnation whose claim it was before
--   dead_owner: an owner that is no more: the controller makes no pod for it where whenScaled is Delete
--   ambiguous: the sets that its name fits, where its users do not tell them apart
--   owners: its owner references, JSON
--   gone_owners: uids of those that are no more, JSON
--   finalizers: its finalizers
--   created_at: when it was created
--   terminating_at: deletionTimestamp
--   deleted_at: when it was gone
--   deleted_why: retention whenDeleted, retention whenScaled, by hand, or unknown
--   decided_when_deleted: the set's whenDeleted when its deletion was asked for
--   decided_when_scaled: the set's whenScaled then
--   workload_uid: the newest incarnation that it belongs to
--   workload_deleted_at: when that one was deleted
--   labels: its labels, JSON
--   replicas: its replicas
--   ordinals_start: its first ordinal
--   when_deleted: its retention policy now
--   when_scaled: its retention policy now
--   living_pod: the pod of the ordinal that exists now
--   living_pod_uid: its uid
--   claim_uid: uid of the claim
with each_claim as (
  select
    claims.*,
    workloads.deleted_at as workload_deleted_at,
    workloads.created_at as workload_created_at,
    workloads.predecessor as workload_predecessor,
    workloads.labels,
    workloads.replicas,
    workloads.ordinals_start,
    workloads.when_deleted,
    workloads.when_scaled,
    (
      select pod_uid
      from mounts
      where mounts.claim_uid = claims.uid
      order by
        to_at is null desc,
        from_at is not null desc,
        from_at desc,
        pod_uid
      limit 1
    ) as last_pod_uid,
    (
      select pod_runs.uid
      from pod_runs
      where pod_runs.workload_uid = claims.workload_uid
        and pod_runs.ordinal = claims.ordinal
        and pod_runs.deleted_at is null
      order by pod_runs.created_at desc
      limit 1
    ) as living_pod_uid,
    coalesce(
      (
        select candidates.uid
        from volumes as candidates
        where candidates.name = claims.volume
          and candidates.claim_uid = claims.uid
        order by
          candidates.deleted_at is null desc,
          candidates.created_at desc
        limit 1
      ),
      (
        select candidates.uid
        from volumes as candidates
        where candidates.name = claims.volume
        order by
          candidates.deleted_at is null desc,
          candidates.created_at desc
        limit 1
      )
    ) as volume_uid,
    exists (
      select 1
      from claim_templates as others
      where others.workload_uid = newest.uid
        and newest.uid <> claims.workload_uid
    ) as is_dropped
  from claims
  left join workloads
    on workloads.uid = claims.workload_uid
  left join workloads as newest
    on newest.namespace = claims.namespace
    and newest.name = claims.workload
    and not exists (
      select 1
      from workloads as later
      where later.predecessor = newest.uid
    )
  where (:namespace = '' or claims.namespace = :namespace)
    and (:name = '' or claims.workload = :name)
    and (:deleted <> '' or claims.deleted_at is null)
),
told as (
  select
    each_claim.*,
    mounts.pod as last_pod,
    mounts.revision as last_revision,
    mounts.workload_uid as last_workload_uid,
    mounts.from_at,
    mounts.to_at,
    case
      when each_claim.workload is null then null
      when each_claim.workload_deleted_at is not null then 'deletion'
      when each_claim.is_dropped then 'another template list'
      when each_claim.ordinal not between each_claim.ordinals_start
        and each_claim.ordinals_start + each_claim.replicas - 1
        then 'scale-down'
    end as left_by
  from each_claim
  left join mounts
    on mounts.claim_uid = each_claim.uid
    and mounts.pod_uid = each_claim.last_pod_uid
),
states as (
  select
    told.*,
    case
      when told.deleted_at is not null then 'deleted'
      when told.terminating_at is not null then 'terminating'
      when told.phase = 'Lost' then 'lost'
      when told.last_pod is not null and told.to_at is null and told.from_at is not null
        then 'mounted'
      when told.last_pod is not null and told.to_at is null then 'awaited'
      when told.left_by is not null then 'left behind'
      when told.last_pod is null then 'never mounted'
      else 'unmounted'
    end as status
  from told
)
select
  states.namespace,
  states.workload,
  states.name as claim,
  states.template,
  states.ordinal,
  states.status,
  states.last_pod as pod,
  states.last_revision as pod_revision,
  case
    when states.status = 'deleted' then states.deleted_at
    when states.status = 'terminating' then states.decided_at
    when states.status = 'left behind' then coalesce(states.to_at, states.created_at)
    else coalesce(states.to_at, states.from_at)
  end as since,
  case when states.status = 'left behind' then states.left_by end as left_by,
  states.volume,
  volumes.phase as volume_phase,
  volumes.reclaim_policy,
  states.asked,
  states.capacity,
  states.class,
  states.access_modes,
  states.first_asked,
  claim_templates.asked as template_asked,
  claim_templates.class as template_class,
  claim_templates.access_modes as template_access_modes,
  nullif(
    trim(
      case when claim_templates.asked_bytes <> states.asked_bytes then 'size ' else '' end
      || case when claim_templates.class <> coalesce(states.class, '') then 'class ' else '' end
      || case when claim_templates.access_modes <> states.access_modes then 'access_modes' else '' end
    ),
    ''
  ) as drift,
  states.asked_bytes > states.first_asked_bytes as enlarged,
  case when before.volume <> states.volume and states.volume <> '' then before.volume end
    as volume_before,
  case
    when before.volume <> states.volume and states.volume <> '' then (
      select earlier.phase
      from volumes as earlier
      where earlier.uid = before.volume_uid
        and earlier.deleted_at is null
    )
  end as volume_before_phase,
  coalesce(before.volume = states.volume and before.volume_uid = volumes.uid, 0) as rebound,
  case
    when before.volume = states.volume and before.volume_uid = volumes.uid then (
      select bindings.set_by
      from bindings
      where bindings.claim_uid = states.uid
        and bindings.volume = states.volume
    )
  end as rebound_by,
  case
    when states.created_at < states.workload_created_at
      and states.last_workload_uid = states.workload_uid
      then coalesce(
        (
          select mounts.workload_uid
          from mounts
          where mounts.claim_uid = states.uid
            and mounts.workload_uid not in ('', states.workload_uid)
          order by mounts.from_at desc
          limit 1
        ),
        states.workload_predecessor
      )
  end as readopted_from,
  (
    select (owners.value ->> 'kind') || ' ' || (owners.value ->> 'name')
    from json_each(states.owners) as owners
    left join objects
      on objects.uid = owners.value ->> 'uid'
    where owners.value ->> 'kind' in ('Pod', 'StatefulSet')
      and (objects.uid is null or objects.deleted_at is not null)
      and states.deleted_at is null
    limit 1
  ) as dead_owner,
  states.ambiguous,
  states.owners,
  (
    select json_group_array(owners.value ->> 'uid')
    from json_each(states.owners) as owners
    left join objects
      on objects.uid = owners.value ->> 'uid'
    where owners.value ->> 'kind' in ('Pod', 'StatefulSet')
      and (objects.uid is null or objects.deleted_at is not null)
  ) as gone_owners,
  states.finalizers,
  states.created_at,
  states.terminating_at,
  states.deleted_at,
  states.deleted_why,
  states.decided_when_deleted,
  states.decided_when_scaled,
  states.workload_uid,
  states.workload_deleted_at,
  states.labels,
  states.replicas,
  states.ordinals_start,
  states.when_deleted,
  states.when_scaled,
  living.name as living_pod,
  states.living_pod_uid,
  states.uid as claim_uid
from states
left join volumes
  on volumes.uid = states.volume_uid
left join claim_templates
  on claim_templates.workload_uid = states.workload_uid
  and claim_templates.template = states.template
left join pod_runs as living
  on living.uid = states.living_pod_uid
left join bindings as before
  on before.claim_uid = states.predecessor
  and before.bound_at = (
    select max(bindings.bound_at)
    from bindings
    where bindings.claim_uid = states.predecessor
  )
where :orphans = ''
  or states.status = 'left behind'
order by
  states.namespace,
  states.workload is null,
  states.workload,
  states.template,
  states.ordinal,
  states.name,
  states.created_at desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
