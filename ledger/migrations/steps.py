"""The list of steps that every module of this package adds its own to, in order."""

from __future__ import annotations

from sqlite_utils import Migrations

APPLICATION_ID = 0x524C4447
"""`RLDG`: marks the file as a ledger, so that a foreign database is refused before anything is
written to it.
"""

migrations = Migrations("rollout-ledger")
