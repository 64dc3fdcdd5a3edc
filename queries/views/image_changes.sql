-- title: image_changes
-- description: Revisions that run other images than the revision before them.
select
  revisions.observed_at,
  workloads.label as workload,
  revisions.label as number,
  revisions.trigger,
  before.images as images_before,
  templates.images as images_after
from revisions
join workloads
  on workloads.uid = revisions.workload_uid
join templates
  on templates.id = revisions.template_id
left join templates as before
  on before.id = (
    select template_id
    from (
      select
        lower.template_id,
        lower.position,
        lower.position < revisions.position as was_there
      from revisions as lower
      where lower.workload_uid = revisions.workload_uid
        and lower.number = revisions.previous
    )
    order by
      was_there desc,
      position desc
    limit 1
  )
where before.images is not templates.images
  and (revisions.previous is not null or revisions.trigger = 'create')
  and revisions.trigger <> 'adopted'
order by revisions.observed_at desc
