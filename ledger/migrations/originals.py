"""Where the originals of templates are kept (m013)."""

from __future__ import annotations

from sqlite_utils import Database

from ledger.migrations.steps import migrations


@migrations()
def m013_sealed(db: Database) -> None:
    """Sealed originals by position, and for whom a watcher seals."""
    db.execute("""
        create table sealed (
            position integer primary key,
            template_digest text not null,
            key_id text not null,
            recipients integer not null,
            sealed_at text not null
        ) strict""")
    db.execute("create index sealed_template on sealed (template_digest, key_id)")
    db.execute("alter table coverage add column sealing_key text")
