-- title: Find a word
-- description: Revisions that have a text in their summary, change cause, ticket, reason, name or images, newest first.
--   Upper and lower case are the same.
-- parameters:
--   text: what to look for; nothing is found for nothing
--   namespace: the namespace; empty for all
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   observed_at: when the revision was first seen
--   namespace: the workload's namespace
--   workload: the workload's name
--   number: the revision number
--   found_in: where the text is
--   summary: what the revision changed
--   change_cause: its change cause, stale ones too
--   change_cause_state: how far the cause can be believed
--   images: container=image pairs
--   ticket: the ticket given with our undo
--   reason: the reason given with our undo
--   workload_uid: the incarnation
--   position: the record it was seen in
with found as (
  select
    revisions.*,
    workloads.namespace,
    workloads.name as workload,
    templates.images,
    iif(instr(lower(revisions.summary), lower(:text)) > 0, ' summary', '')
    || iif(instr(lower(revisions.change_cause), lower(:text)) > 0, ' change_cause', '')
    || iif(instr(lower(revisions.ticket), lower(:text)) > 0, ' ticket', '')
    || iif(instr(lower(revisions.reason), lower(:text)) > 0, ' reason', '')
    || iif(instr(lower(revisions.name), lower(:text)) > 0, ' name', '')
    || iif(instr(lower(templates.images), lower(:text)) > 0, ' images', '') as found_in
  from workloads
  cross join revisions
    on revisions.workload_uid = workloads.uid
  left join templates
    on templates.id = revisions.template_id
  where :text <> ''
    and (:namespace = '' or workloads.namespace = :namespace)
)
select
  found.observed_at,
  found.namespace,
  found.workload,
  found.number,
  trim(found.found_in) as found_in,
  found.summary,
  found.change_cause,
  found.change_cause_state,
  found.images,
  found.ticket,
  found.reason,
  found.workload_uid,
  found.position
from found
where found.found_in <> ''
order by
  found.observed_at desc,
  found.position desc
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
