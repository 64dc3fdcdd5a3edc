"""Claims, volumes, what was bound to what, and which pod used it (m011)."""

from __future__ import annotations

from sqlite_utils import Database

from ledger.migrations.steps import migrations


@migrations()
def m011_volumes(db: Database) -> None:
    """The passport of every volume: facts first, then what is derived from them."""
    db.execute("""
        create table claim_states (
            object_id integer not null references objects (id),
            resource_version integer not null,
            position integer not null,
            observed_at text not null,
            phase text not null,
            volume text not null,
            asked text not null,
            asked_bytes integer,
            capacity text not null,
            class text,
            access_modes text not null,
            owners text not null,
            finalizers text not null,
            revision text not null,
            terminating_at text,
            primary key (object_id, resource_version)
        ) strict, without rowid""")
    db.execute("create index claim_states_volume on claim_states (volume)")
    db.execute("""
        create table volume_states (
            object_id integer not null references objects (id),
            resource_version integer not null,
            position integer not null,
            observed_at text not null,
            phase text not null,
            claim_namespace text not null,
            claim_name text not null,
            claim_uid text not null,
            claim_set_by text not null,
            capacity text not null,
            class text,
            access_modes text not null,
            reclaim_policy text not null,
            source text not null,
            handle text not null,
            terminating_at text,
            primary key (object_id, resource_version)
        ) strict, without rowid""")
    db.execute("create index volume_states_claim on volume_states (claim_uid)")
    _wishes(db)
    _derived(db)


def _wishes(db: Database) -> None:
    db.execute("""
        create table claim_templates (
            workload_uid text not null,
            template text not null,
            namespace text not null,
            workload text not null,
            created_at text,
            resource_version integer not null,
            asked text not null,
            asked_bytes integer,
            class text,
            access_modes text not null,
            primary key (workload_uid, template)
        ) strict, without rowid""")
    db.execute("""
        create index claim_templates_name on claim_templates (namespace, workload, template)""")
    db.execute("""
        create table pod_claims (
            object_id integer not null references objects (id),
            volume text not null,
            namespace text not null,
            claim text not null,
            primary key (object_id, volume)
        ) strict, without rowid""")
    db.execute("create index pod_claims_claim on pod_claims (namespace, claim)")


def _derived(db: Database) -> None:
    db.execute("""
        create table claims (
            uid text primary key,
            object_id integer not null references objects (id),
            namespace text not null,
            name text not null,
            template text,
            workload text,
            ordinal integer,
            workload_uid text,
            ambiguous text,
            phase text not null,
            volume text not null,
            first_asked text not null,
            first_asked_bytes integer,
            asked text not null,
            asked_bytes integer,
            capacity text not null,
            class text,
            access_modes text not null,
            owner text not null,
            owners text not null,
            finalizers text not null,
            revision text not null,
            predecessor text,
            created_at text,
            terminating_at text,
            deleted_at text,
            deleted_after text,
            deleted_how text,
            deleted_why text,
            decided_at text,
            decided_when_deleted text,
            decided_when_scaled text,
            observed_at text not null,
            resource_version integer not null,
            position integer not null
        ) strict""")
    db.execute("create index claims_name on claims (namespace, name)")
    db.execute("create index claims_workload on claims (namespace, workload, ordinal)")
    db.execute("create index claims_workload_uid on claims (workload_uid)")
    db.execute("""
        create index claims_decided on claims (namespace, workload, decided_at)
        where decided_at is not null""")
    _volumes(db)


def _volumes(db: Database) -> None:
    db.execute("""
        create table volumes (
            uid text primary key,
            object_id integer not null references objects (id),
            name text not null,
            phase text not null,
            claim_namespace text not null,
            claim_name text not null,
            claim_uid text not null,
            claim_set_by text not null,
            capacity text not null,
            class text,
            access_modes text not null,
            reclaim_policy text not null,
            source text not null,
            handle text not null,
            created_at text,
            terminating_at text,
            deleted_at text,
            deleted_after text,
            deleted_how text,
            observed_at text not null,
            resource_version integer not null,
            position integer not null
        ) strict""")
    db.execute("create index volumes_name on volumes (name)")
    db.execute("create index volumes_claim on volumes (claim_namespace, claim_name)")
    db.execute("""
        create table bindings (
            claim_uid text not null,
            volume text not null,
            volume_uid text not null,
            bound_at text not null,
            released_at text,
            why text not null,
            set_by text not null,
            primary key (claim_uid, volume, volume_uid)
        ) strict, without rowid""")
    db.execute("create index bindings_volume on bindings (volume)")
    db.execute("""
        create table mounts (
            pod_uid text not null,
            claim_uid text not null,
            volume text not null,
            namespace text not null,
            claim text not null,
            pod text not null,
            workload_uid text not null,
            ordinal integer,
            revision text not null,
            from_at text,
            to_at text,
            to_after text,
            primary key (pod_uid, claim_uid, volume)
        ) strict, without rowid""")
    db.execute("create index mounts_claim on mounts (claim_uid, from_at)")
    db.execute("create index mounts_workload on mounts (workload_uid, ordinal)")
