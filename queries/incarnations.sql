-- title: Workloads
-- description: Every incarnation of every StatefulSet ever seen, with how many revisions are recorded and how many of
--   them the cluster still has.
-- parameters:
--   namespace: the namespace; empty for all
--   name: the StatefulSet's name; empty for all
-- columns:
--   namespace: its namespace
--   name: its name
--   uid: the incarnation's uid
--   created_at: when it was created
--   first_seen_at: the first record that named it
--   deleted_at: when it was deleted, or the upper bound of that time; null while it lives
--   deleted_after: the lower bound of that time, when the deletion was not watched
--   predecessor: the uid of the incarnation before it
--   recorded: numbers recorded
--   live: numbers that kubectl still lists
--   replicas: desired replicas at its newest state
--   strategy: its update strategy
--   update_partition: its rolling update partition
--   current_revision: status.currentRevision
--   update_revision: status.updateRevision
--   settled: 1 when every pod is ready on the update revision
--   labels: its labels, JSON
--   team: who it belongs to, from its labels
select
  workloads.namespace,
  workloads.name,
  workloads.uid,
  workloads.created_at,
  workloads.first_seen_at,
  workloads.deleted_at,
  workloads.deleted_after,
  workloads.predecessor,
  count(revisions.number) filter (where revisions.trigger <> 'unseen') as recorded,
  coalesce(sum(revisions.live), 0) as live,
  workloads.replicas,
  workloads.strategy,
  workloads.update_partition,
  workloads.current_revision,
  workloads.update_revision,
  workloads.settled,
  workloads.labels,
  workloads.team
from workloads
left join revisions
  on revisions.workload_uid = workloads.uid
where (:namespace = '' or workloads.namespace = :namespace)
  and (:name = '' or workloads.name = :name)
group by workloads.uid
order by
  workloads.namespace,
  workloads.name,
  workloads.created_at desc
