-- title: Templates that several workloads hold
-- description: Pod templates that more than one incarnation has had, such as those of a StatefulSet that was deleted and
--   made again, or of one that was copied. Secrets are compared by their keyed tags.
-- parameters:
--   image: only templates whose images contain this text; empty for any
-- columns:
--   template_digest: SHA-256 of the recorded template
--   images: container=image pairs
--   incarnations: how many incarnations have held it
--   workloads: which, by label
--   revisions: how many revision numbers have held it
--   first_at: when it was first seen
--   last_at: when a revision last took it up
select
  templates.digest as template_digest,
  templates.images,
  count(distinct revisions.workload_uid) as incarnations,
  (
    select group_concat(holders.label, ', ')
    from (
      select distinct workloads.label
      from revisions as held
      join workloads
        on workloads.uid = held.workload_uid
      where held.template_id = templates.id
      order by workloads.label
    ) as holders
  ) as workloads,
  count(*) as revisions,
  min(revisions.observed_at) as first_at,
  max(revisions.observed_at) as last_at
from templates
join revisions
  on revisions.template_id = templates.id
where (:image = '' or instr(templates.images, :image) > 0)
group by templates.id
having count(distinct revisions.workload_uid) > 1
order by
  incarnations desc,
  last_at desc,
  templates.digest
