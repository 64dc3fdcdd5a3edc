-- title: unwatched
-- description: Changes of StatefulSets that only an imported audit log tells of: nobody watched when they were made.
select
  asked.received_at,
  asked.namespace,
  asked.name as workload,
  asked.verb || iif(asked.subresource = '', '', ' ' || asked.subresource) as request,
  asked.user,
  iif(asked.code = 201 and asked.level = 'RequestResponse' and asked.uid <> '', 'exact', 'probable') as basis,
  asked.position
from (
  select
    *,
    max(generation) over (
      partition by uid
      order by
        received_at,
        position
      rows between unbounded preceding and 1 preceding
    ) as generation_before
  from actions
  where imported <> ''
    and kind = 'statefulsets'
    and dry_run = 0
    and code between 200 and 299
) as asked
where (
    asked.verb = 'delete'
    or asked.code = 201
    or asked.subresource = 'scale'
    or asked.generation > asked.generation_before
  )
  and not exists (
    select 1
    from attributions
    where attributions.position = asked.position
  )
  -- what answers with a state that was seen before, or came after another, has its own row or changed nothing.
  and not exists (
    select 1
    from objects
    join observations
      on observations.object_id = objects.id
      and observations.resource_version = asked.resource_version
    where objects.uid = asked.uid
      and asked.verb <> 'delete'
      and (
        observations.observed_at < asked.received_at
        or exists (
          select 1
          from observations as earlier
          where earlier.object_id = objects.id
            and earlier.resource_version < asked.resource_version
        )
      )
  )
  and not exists (
    select 1
    from workloads
    where asked.verb = 'delete'
      and workloads.deleted_at is not null
      and (
        workloads.uid = asked.uid
        or asked.uid = ''
        and workloads.namespace = asked.namespace
        and workloads.name = asked.name
        and asked.received_at between workloads.created_at and workloads.deleted_at
      )
  )
  and (
    not exists (
      select 1
      from coverage
      where coverage.kind = 'statefulsets'
        and coverage.scope in ('*', asked.namespace)
        and asked.received_at between coverage.began_at and coverage.until_at
    )
    or exists (
      select 1
      from gaps
      join gap_stories
        on gap_stories.id = gaps.id
      where gaps.kind in ('*', 'statefulsets')
        and gaps.scope in ('*', asked.namespace)
        and coalesce(gaps.detail ->> 'uid', asked.uid) in (asked.uid, '')
        and asked.received_at between gaps.last_seen_at and coalesce(gaps.closed_at, '9')
        and not gap_stories.covered
    )
  )
