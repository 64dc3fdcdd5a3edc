"""Records, coverage, facts of sets and revisions, and the revision ledger itself (m001 to m007)."""

from __future__ import annotations

from sqlite_utils import Database

from ledger.migrations.steps import APPLICATION_ID, migrations


@migrations()
def m001_progress(db: Database) -> None:
    """How far the log is folded; one row."""
    db.execute(f"pragma application_id = {APPLICATION_ID}")
    db.execute("""
        create table progress (
            id integer primary key check (id = 1),
            cluster text not null,
            next_position integer not null,
            now text not null,
            tree_size integer not null,
            frontier blob not null
        ) strict""")
    db.execute("insert into progress values (1, '', 0, '', 0, x'')")


@migrations()
def m002_records(db: Database) -> None:
    """Every record's metadata, what could not be read, and the leaves."""
    db.execute("""
        create table instances (
            id integer primary key,
            instance text not null unique,
            first_seen_at text not null,
            last_seen_at text not null,
            last_sequence integer not null
        ) strict""")
    db.execute("""
        create table objects (
            id integer primary key,
            kind text not null,
            namespace text not null,
            name text not null,
            uid text not null unique,
            label text not null,
            created_at text,
            owner_uid text,
            resource_version integer not null,
            alive_version integer not null,
            first_seen_at text not null,
            last_seen_at text not null,
            last_position integer not null,
            deleted_version integer,
            deleted_at text,
            deleted_after text,
            deleted_how text
        ) strict""")
    db.execute("create index objects_name on objects (kind, namespace, name)")
    db.execute("create index objects_owner on objects (owner_uid, deleted_version)")
    db.execute(
        "create index objects_alive on objects (kind, alive_version) where deleted_at is null"
    )
    db.execute("""
        create table observations (
            position integer primary key,
            fact text not null,
            object_id integer references objects (id),
            resource_version integer,
            generation integer,
            observed_at text not null,
            instance_id integer not null references instances (id),
            sequence integer not null,
            content text,
            snapshot text,
            disposition text not null
        ) strict""")
    db.execute("""
        create index observations_object on observations (object_id, resource_version)
        where object_id is not null""")
    db.execute("""
        create table rejects (
            position integer primary key,
            sha256 text not null,
            bytes integer not null,
            reason text not null
        ) strict""")
    db.execute("create table leaves (position integer primary key, entry blob not null) strict")


@migrations()
def m003_coverage(db: Database) -> None:
    """What was watched and what was not."""
    db.execute("""
        create table snapshots (
            id text primary key,
            kind text not null,
            scope text not null,
            filter integer not null,
            instance_id integer not null references instances (id),
            began_at text,
            ended_at text,
            resource_version integer,
            announced integer,
            listed integer not null,
            complete integer not null
        ) strict""")
    db.execute("create index snapshots_complete on snapshots (kind, complete, resource_version)")
    db.execute("""
        create table snapshot_members (
            snapshot text not null,
            object_id integer not null references objects (id),
            primary key (snapshot, object_id)
        ) strict, without rowid""")
    db.execute("""
        create table coverage (
            id integer primary key,
            kind text not null,
            scope text not null,
            instance_id integer not null references instances (id),
            began_at text not null,
            began_how text not null,
            until_at text not null,
            resource_version integer,
            state text not null,
            ended_how text,
            redaction_policy text not null,
            redaction_key text not null
        ) strict""")
    db.execute("create index coverage_stream on coverage (kind, scope, until_at)")
    db.execute("""
        create table gaps (
            id text primary key,
            kind text not null,
            scope text not null,
            cause text not null,
            last_seen_at text not null,
            opened_at text not null,
            closed_at text,
            last_version integer,
            next_version integer,
            instance_id integer references instances (id),
            detail text not null,
            position integer not null
        ) strict""")


@migrations()
def m004_facts(db: Database) -> None:
    """The small facts that derived rows are computed from: a row for each state in which one of
    them changed.
    """
    db.execute("""
        create table templates (
            id integer primary key,
            digest text not null unique,
            template text not null,
            images text not null,
            redaction_key text
        ) strict""")
    db.execute("""
        create table set_states (
            object_id integer not null references objects (id),
            resource_version integer not null,
            position integer not null,
            observed_at text not null,
            generation integer not null,
            template_id integer not null references templates (id),
            change_cause text,
            undo_annotation text,
            observed_generation integer not null,
            current_revision text not null,
            update_revision text not null,
            settled integer not null,
            replicas integer not null,
            strategy text not null,
            update_partition integer not null,
            history_limit integer not null,
            terminating integer not null,
            managed_fields text not null,
            primary key (object_id, resource_version)
        ) strict, without rowid""")
    db.execute("create index set_states_generation on set_states (object_id, generation)")
    db.execute("""
        create index set_states_terminating on set_states (object_id, observed_at)
        where terminating = 1""")
    db.execute("""
        create table revision_states (
            object_id integer not null references objects (id),
            resource_version integer not null,
            position integer not null,
            observed_at text not null,
            number integer not null,
            owner_uid text not null,
            template_id integer not null references templates (id),
            change_cause text,
            primary key (object_id, resource_version)
        ) strict, without rowid""")
    db.execute("create index revision_states_owner on revision_states (owner_uid, number)")
    db.execute("create index revision_states_number on revision_states (object_id, number)")
    db.execute("""
        create index revision_states_template
        on revision_states (owner_uid, template_id, number)""")


@migrations()
def m005_workloads(db: Database) -> None:
    """Incarnations of StatefulSets."""
    db.execute("""
        create table workloads (
            uid text primary key,
            namespace text not null,
            name text not null,
            label text not null,
            created_at text,
            first_seen_at text not null,
            predecessor text references workloads (uid),
            generation integer not null,
            observed_generation integer not null,
            replicas integer not null,
            strategy text not null,
            update_partition integer not null,
            history_limit integer not null,
            current_revision text not null,
            update_revision text not null,
            settled integer not null,
            labels text not null,
            selector text not null,
            team text,
            deleted_at text,
            deleted_after text,
            deleted_how text
        ) strict""")
    db.execute("create index workloads_name on workloads (namespace, name)")
    db.execute("create index workloads_team on workloads (team)")


@migrations()
def m006_revisions(db: Database) -> None:
    """The ledger itself: every revision they ever had."""
    db.execute("""
        create table revisions (
            workload_uid text not null references workloads (uid),
            revision_uid text not null,
            number integer not null,
            label text not null,
            name text not null,
            template_id integer references templates (id),
            trigger text not null,
            undo_of integer,
            previous integer,
            summary text not null,
            status text not null,
            generation integer,
            change_cause text,
            change_cause_state text not null,
            ticket text,
            reason text,
            created_at text,
            bumped_after text,
            observed_at text not null,
            restorable integer not null,
            restorable_why text not null,
            live integer not null,
            pruned_at text,
            pruned_after text,
            pruned_why text,
            position integer,
            primary key (workload_uid, number, revision_uid)
        ) strict""")
    db.execute("create index revisions_observed on revisions (observed_at)")
    db.execute("create index revisions_trigger on revisions (trigger, observed_at)")
    db.execute("create index revisions_template on revisions (template_id)")
    db.execute("create index revisions_uid on revisions (revision_uid)")


@migrations()
def m007_completeness(db: Database) -> None:
    """What proves that nothing is missing: members named by uid, lists that compare, what was
    withheld.
    """
    db.execute("alter table snapshot_members rename to members_by_id")
    db.execute("""
        create table snapshot_members (
            snapshot text not null,
            uid text not null,
            version integer,
            primary key (snapshot, uid)
        ) strict, without rowid""")
    db.execute("""
        insert into snapshot_members
        select snapshot, uid, null from members_by_id join objects on objects.id = object_id""")
    db.execute("drop table members_by_id")
    db.execute("create index snapshot_members_uid on snapshot_members (uid)")
    db.execute("alter table snapshots add column after_version integer")
    db.execute("alter table snapshots add column began_position integer")
    db.execute("alter table snapshots add column position integer")
    db.execute("alter table snapshots add column unheld integer not null default 0")
    db.execute("alter table snapshots add column compared integer not null default 0")
    db.execute("""
        create index snapshots_comparing on snapshots (kind)
        where after_version is not null and compared = 0""")
    db.execute("""
        create index observations_listed on observations (snapshot)
        where snapshot is not null""")
    db.execute("create index gaps_cause on gaps (cause, instance_id)")
    db.execute("create index gaps_open on gaps (kind) where closed_at is null")
    db.execute("alter table objects add column alive_at text")
    db.execute("alter table instances add column last_sequence_at text not null default ''")
    db.execute("alter table coverage add column skew_seconds real")
    db.execute("""
        create table withheld (
            position integer primary key,
            object_id integer not null references objects (id),
            resource_version integer not null,
            observed_at text not null,
            reason text not null,
            digest text not null,
            bytes integer not null
        ) strict""")
