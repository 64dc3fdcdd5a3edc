"""The data dictionary: what every table, view and column of a ledger means.

Datasette shows it beside the data; a test holds it complete.
"""

from __future__ import annotations

from ledger.dictionary.entry import Entry
from ledger.dictionary.tables import TABLES
from ledger.dictionary.views import VIEWS

ALL: dict[str, Entry] = {**TABLES, **VIEWS}

__all__ = ["ALL", "TABLES", "VIEWS", "Entry"]
