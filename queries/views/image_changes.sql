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
left join predecessors
  on predecessors.workload_uid = revisions.workload_uid
  and predecessors.number = revisions.number
  and predecessors.revision_uid = revisions.revision_uid
left join templates as before
  on before.id = predecessors.template_id
where before.images is not templates.images
  and (revisions.previous is not null or revisions.trigger = 'create')
  and revisions.trigger <> 'adopted'
order by revisions.observed_at desc
