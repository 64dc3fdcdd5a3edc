"""The ledger's tables, as small numbered steps that are never edited after release.

What each table and column means is in ledger/dictionary; views and questions are in queries/ and
made anew on each open, since they are code.
"""

from __future__ import annotations

import sqlite3

from sqlite_utils import Database

# The order of these imports is the order of the steps.
from ledger.migrations import foundation, originals, pods, specs, volumes, writers  # noqa: F401
from ledger.migrations.steps import APPLICATION_ID, migrations

__all__ = ["APPLICATION_ID", "migrate"]


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables up to date; each step commits with its own record, or not at all."""
    migrations.apply(Database(connection))
