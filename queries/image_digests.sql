-- title: Same tag, different bytes
-- description: Images that did not always resolve to the same bytes: an image as pods asked for it, each digest that
--   really ran for it, and when and where it did. Without a name of an image, only those with more than one digest.
-- parameters:
--   image: the image, or a part of it; empty for every image with more than one digest
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
--   limit: at most this many rows; empty for all
--   offset: leave out this many rows first; empty for none
-- columns:
--   image: the image as the pod spec has it
--   image_id: the digest that ran, as the container runtime names it
--   digests: how many digests there were for that image
--   container: the container
--   workloads: the StatefulSets in which it ran
--   pods: how many pods ran it
--   first_at: when the first of them was created
--   last_at: when the last of them was created
select
  pod_images.image,
  pod_images.image_id,
  (
    select count(distinct other.image_id)
    from pod_images as other
    where other.image = pod_images.image
  ) as digests,
  group_concat(distinct pod_images.container) as container,
  group_concat(distinct workloads.label) as workloads,
  count(distinct pod_images.pod_uid) as pods,
  min(pod_runs.created_at) as first_at,
  max(pod_runs.created_at) as last_at
from pod_images
join pod_runs
  on pod_runs.uid = pod_images.pod_uid
left join workloads
  on workloads.uid = pod_runs.workload_uid
where (:image = '' or instr(pod_images.image, :image) > 0)
  and (:namespace = '' or workloads.namespace = :namespace)
  and (:name = '' or workloads.name = :name)
group by
  pod_images.image,
  pod_images.image_id
having :image <> '' or digests > 1
order by
  pod_images.image,
  first_at
limit case when :limit = '' then -1 else cast(:limit as integer) end
offset case when :offset = '' then 0 else cast(:offset as integer) end
