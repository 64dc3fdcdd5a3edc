-- title: What cannot be restored
-- description: How many recorded revisions have no original any more, and how many pod templates lost something to
--   redaction, so that only a sealed original or the live revision can restore them.
-- columns:
--   revisions: recorded revisions whose full template cannot be had
--   redacted_templates: distinct pod templates in which something is hidden
select
  (
    select count(*)
    from revisions
    where revisions.restorable = 0
      and revisions.trigger <> 'unseen'
  ) as revisions,
  (
    select count(*)
    from templates
    where templates.redaction_key is not null
  ) as redacted_templates
