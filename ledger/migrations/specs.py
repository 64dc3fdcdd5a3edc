"""Specs beside the pod template, and how they changed (m010)."""

from __future__ import annotations

from sqlite_utils import Database

from ledger.migrations.steps import migrations


@migrations()
def m010_specs(db: Database) -> None:
    """What a generation changed outside the template, or in a template that got no revision."""
    db.execute("""
        create table specs (
            id integer primary key,
            digest text not null unique,
            spec text not null
        ) strict""")
    db.execute("alter table set_states add column spec_id integer references specs (id)")
    db.execute("""
        create table spec_changes (
            workload_uid text not null references workloads (uid),
            generation integer not null,
            field text not null,
            old text,
            new text,
            summary text not null,
            after_generation integer,
            observed_at text not null,
            position integer not null,
            primary key (workload_uid, generation, field)
        ) strict""")
    db.execute("create index spec_changes_observed on spec_changes (observed_at)")
    db.execute("create index revisions_generation on revisions (workload_uid, generation)")
    db.execute("create index workloads_predecessor on workloads (predecessor)")
    for column, kind in (
        ("has_rolling_update", "integer not null default 0"),
        ("max_unavailable", "text not null default ''"),
        ("pod_management", "text not null default ''"),
        ("ordinals_start", "integer not null default 0"),
        ("min_ready_seconds", "integer not null default 0"),
        ("when_deleted", "text not null default ''"),
        ("when_scaled", "text not null default ''"),
        ("pods", "integer not null default 0"),
        ("ready_pods", "integer not null default 0"),
        ("available_pods", "integer"),
        ("current_pods", "integer not null default 0"),
        ("updated_pods", "integer not null default 0"),
        ("terminating", "integer not null default 0"),
    ):
        db.execute(f"alter table workloads add column {column} {kind}")


@migrations()
def m015_collisions(db: Database) -> None:
    """How often a name of a set's revisions was taken, so that the hash in it can be checked."""
    db.execute("alter table workloads add column collision_count integer not null default 0")
