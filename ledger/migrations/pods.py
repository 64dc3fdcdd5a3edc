"""Pods, what was refused, and the rollouts that follow from both (m008, m009, m014)."""

from __future__ import annotations

from sqlite_utils import Database

from ledger.migrations.steps import migrations


@migrations()
def m008_pods(db: Database) -> None:
    """Pod by pod: whose it was, what ran, and from when to when."""
    db.execute("""
        create table pod_states (
            object_id integer not null references objects (id),
            resource_version integer not null,
            position integer not null,
            observed_at text not null,
            owner_uid text not null,
            revision text not null,
            phase text not null,
            ready integer not null,
            reason text not null,
            message text not null,
            ready_changed_at text,
            terminating_at text,
            primary key (object_id, resource_version)
        ) strict, without rowid""")
    db.execute("""
        create table pod_owners (
            owner_uid text not null,
            object_id integer not null references objects (id),
            gone_at text,
            primary key (owner_uid, object_id)
        ) strict, without rowid""")
    db.execute("create index pod_owners_gone on pod_owners (owner_uid, gone_at)")
    _runs(db)


def _runs(db: Database) -> None:
    db.execute("""
        create table pod_runs (
            uid text primary key,
            object_id integer not null references objects (id),
            workload_uid text not null,
            namespace text not null,
            name text not null,
            ordinal integer,
            made_revision text not null,
            revision text not null,
            node text not null,
            phase text not null,
            ready integer not null,
            reason text not null,
            message text not null,
            last_reason text not null,
            restarts integer not null,
            created_at text,
            scheduled_at text,
            started_at text,
            ready_at text,
            ready_changed_at text,
            terminating_at text,
            deleted_at text,
            deleted_after text,
            observed_at text not null,
            resource_version integer not null,
            position integer not null
        ) strict""")
    db.execute("create index pod_runs_workload on pod_runs (workload_uid, ordinal)")
    db.execute("create index pod_runs_name on pod_runs (namespace, name)")
    db.execute("create index pod_runs_revision on pod_runs (revision)")
    db.execute("""
        create table pod_images (
            pod_uid text not null references pod_runs (uid),
            container text not null,
            image text not null,
            image_id text not null,
            primary key (pod_uid, container, image, image_id)
        ) strict, without rowid""")
    db.execute("create index pod_images_image on pod_images (image)")


@migrations()
def m009_rollouts(db: Database) -> None:
    """What became of each revision, and what was refused on the way."""
    db.execute("alter table progress add column fold integer not null default 0")
    db.execute("alter table revisions drop column status")
    db.execute("alter table revisions add column generation_from text")
    db.execute("create index revisions_pruned on revisions (workload_uid, pruned_at)")
    db.execute("create index revisions_seen on revisions (workload_uid, observed_at)")
    db.execute("""
        create table refusals (
            object_id integer primary key references objects (id),
            resource_version integer not null,
            workload_uid text not null,
            pod text not null,
            reason text not null,
            message text not null,
            times integer not null,
            first_at text,
            last_at text,
            observed_at text not null,
            position integer not null
        ) strict""")
    db.execute("create index refusals_workload on refusals (workload_uid, pod)")
    db.execute("""
        create table rollouts (
            workload_uid text not null references workloads (uid),
            revision_uid text not null,
            number integer not null,
            label text not null,
            name text not null,
            from_number integer,
            from_name text not null,
            phase text not null,
            started_at text,
            stalled_at text,
            finished_at text,
            ended_at text,
            undone_by integer,
            wanted integer,
            targeted integer,
            updated integer,
            blocking_pod text,
            blocking_reason text,
            blocking_message text,
            blocking_since text,
            trap integer not null,
            due_at text,
            primary key (workload_uid, number, revision_uid)
        ) strict""")
    db.execute("create index rollouts_started on rollouts (started_at)")
    db.execute("create index rollouts_ended on rollouts (workload_uid, ended_at)")
    db.execute("create index rollouts_phase on rollouts (phase)")
    db.execute("create index rollouts_due on rollouts (due_at) where due_at is not null")


@migrations()
def m014_pods_there(db: Database) -> None:
    """Which pods a StatefulSet had at a time is told by one index."""
    db.execute("alter table pod_owners add column since_at text")
    db.execute("drop index pod_owners_gone")
    db.execute("create index pod_owners_gone on pod_owners (owner_uid, gone_at, since_at)")
