"""Who called the API, and what of it made which change (m012)."""

from __future__ import annotations

from sqlite_utils import Database

from ledger.migrations.steps import migrations


@migrations()
def m012_attribution(db: Database) -> None:
    """Audited requests, the moments at which objects began to end, and evidence about authors."""
    db.execute("""
        create table actions (
            position integer primary key,
            audit_id text not null,
            stage text not null,
            level text not null,
            verb text not null,
            kind text not null,
            subresource text not null,
            namespace text not null,
            name text not null,
            uid text not null,
            resource_version integer,
            generation integer,
            code integer not null,
            user text not null,
            impersonated text not null,
            agent text not null,
            addresses text not null,
            manager text not null,
            apply integer not null,
            dry_run integer not null,
            received_at text not null,
            completed_at text not null,
            replicas integer,
            touched text not null,
            removed text not null,
            imported text not null
        ) strict""")
    # A client may send an audit id of its own, and one that is in use: the time and the user, which
    # the API server knows itself, tell its request from the other.
    db.execute("""
        create unique index actions_audit_id
        on actions (audit_id, stage, received_at, user)""")
    db.execute("create index actions_uid on actions (uid, resource_version)")
    db.execute("create index actions_name on actions (kind, namespace, name, received_at)")
    db.execute("create index actions_user on actions (user, received_at)")
    db.execute("create index actions_received on actions (received_at)")
    db.execute("create index actions_imported on actions (uid) where imported <> ''")
    _authors(db)
    _statements(db)


def _authors(db: Database) -> None:
    db.execute("""
        create table deleted_together (
            position integer not null references actions (position),
            uid text not null,
            resource_version integer,
            primary key (uid, position)
        ) strict, without rowid""")
    db.execute("create index deleted_together_action on deleted_together (position)")
    db.execute("""
        create table terminations (
            object_id integer primary key references objects (id),
            resource_version integer not null,
            position integer not null,
            observed_at text not null
        ) strict""")
    db.execute("""
        create table attributions (
            object_id integer not null references objects (id),
            what text not null,
            generation integer not null,
            position integer not null,
            source text not null,
            actor text not null,
            impersonated text not null,
            basis text not null,
            rank integer not null,
            best integer not null,
            by_controller integer not null,
            primary key (object_id, what, generation, rank, position, source, actor)
        ) strict, without rowid""")
    db.execute("create index attributions_actor on attributions (actor)")
    db.execute("create index attributions_position on attributions (position)")
    db.execute("""
        create index attributions_deletions on attributions (object_id)
        where what = 'deletion' and best = 1 and by_controller = 0""")


def _statements(db: Database) -> None:
    db.execute("""
        create table statements (
            object_id integer not null references objects (id),
            generation integer not null,
            role text not null,
            source text not null,
            said text not null,
            position integer not null,
            primary key (object_id, generation, role, source)
        ) strict, without rowid""")
    db.execute("""
        create table notes (
            position integer primary key,
            note_id text not null unique,
            workload_uid text not null,
            number integer,
            revision_uid text not null,
            ticket text,
            approver text,
            message text,
            said_by text not null,
            said_at text not null
        ) strict""")
    db.execute("create index notes_workload on notes (workload_uid, number)")
    db.execute("alter table set_states add column stamp text")
    db.execute("alter table set_states add column said text not null default '{}'")
    db.execute("create index set_states_observed on set_states (object_id, observed_at)")


@migrations()
def m016_required_versions(db: Database) -> None:
    """Which version a request required: one that was answered with it has changed nothing."""
    db.execute("alter table actions add column required_version integer")
