"""The data dictionary: what every table, view and column of a ledger means.

Datasette shows it beside the data; a test holds it complete.
"""

from __future__ import annotations

from ledger.dictionary.entry import Entry
from ledger.dictionary.originals import ORIGINALS
from ledger.dictionary.pods import PODS
from ledger.dictionary.specs import SPECS
from ledger.dictionary.tables import TABLES
from ledger.dictionary.views import VIEWS
from ledger.dictionary.volumes import VOLUMES
from ledger.dictionary.writers import WRITERS

ALL: dict[str, Entry] = {**TABLES, **PODS, **SPECS, **VOLUMES, **WRITERS, **ORIGINALS, **VIEWS}

__all__ = ["ALL", "TABLES", "VIEWS", "Entry"]
