-- title: predecessors
-- description: The template that each revision took the place of: the next lower number's, as it was then.
select
  revisions.workload_uid,
  revisions.number,
  revisions.revision_uid,
  (
    select template_id
    from (
      select
        lower.template_id,
        lower.observed_at,
        lower.revision_uid,
        lower.observed_at <= revisions.observed_at as was_there
      from revisions as lower
      where lower.workload_uid = revisions.workload_uid
        and lower.number = revisions.previous
    )
    order by
      was_there desc,
      observed_at desc,
      revision_uid
    limit 1
  ) as template_id
from revisions
