"""A digest over all that a ledger holds: two folded from the same log have the same one."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

from ledger.canonical import to_bytes
from ledger.disk import UNREADABLE
from ledger.errors import LedgerUnusable

LEFT_OUT = ("_sqlite_migrations", "sqlite_sequence")
"""Tables that say when the file was made, not what it holds."""


def ledger_digest(path: Path) -> str:
    """SHA-256 in hex over every row of every table, tables by name and rows by primary key.

    Raises LedgerUnusable when the file cannot be read.
    """
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            return _digest(connection)
        finally:
            connection.close()
    except UNREADABLE as wrong:
        raise LedgerUnusable(f"{path} cannot be read: {wrong}") from wrong


def _digest(connection: sqlite3.Connection) -> str:
    whole = hashlib.sha256()
    tables = connection.execute(
        "select name from sqlite_master where type = 'table' order by name"
    ).fetchall()
    for (table,) in tables:
        if table not in LEFT_OUT:
            whole.update(table.encode() + b"\n")
            for row in connection.execute(
                f"select * from {table} order by {_key(connection, table)}"
            ):
                whole.update(to_bytes([_plain(value) for value in row]) + b"\n")
    return whole.hexdigest()


def _key(connection: sqlite3.Connection, table: str) -> str:
    info = connection.execute(f"pragma table_info({table})").fetchall()
    keyed = sorted((row[5], row[1]) for row in info if row[5])
    return ", ".join(name for _, name in keyed)


def _plain(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
