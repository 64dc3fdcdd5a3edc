"""SQLite's errors on a ledger's file, in a user's words: what passes by itself, what does not,
what to do.

The log's own are in log/schema.py. A mistake of ours, such as a key that exists, is not among them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.disk import UNREADABLE, code_of, is_full
from ledger.errors import (
    LedgerDamaged,
    LedgerError,
    LedgerLocked,
    LedgerUnusable,
    LedgerUnwritable,
)

BUSY_SECONDS = 5.0
"""How long to wait for another program's lock."""


@contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's errors that are not mistakes of ours leave the block in a user's words."""
    try:
        yield
    except UNREADABLE as wrong:
        ours = _translated(path, wrong)
        if ours is None:
            raise
        raise ours from wrong


def checked(connection: sqlite3.Connection, pragma: str) -> str:
    """What SQLite's own `integrity_check` or `quick_check` says: `ok`, or its first complaint."""
    connection.text_factory = lambda text: text.decode(errors="replace")
    try:
        return str(connection.execute(f"pragma {pragma}(1)").fetchone()[0])
    except UNREADABLE as wrong:
        return str(wrong)


def full(path: Path) -> LedgerUnwritable:
    """What to say of a ledger whose disk is full."""
    return LedgerUnwritable(
        f"there is no space left for {path}",
        hint="nothing is lost: folding goes on by itself when there is space again",
    )


def damaged(path: Path, why: object) -> LedgerDamaged:
    """What to say of a ledger whose bytes are not what was written."""
    return LedgerDamaged(
        f"{path} is damaged, or no ledger: {why}",
        hint="stop the consumer and run `rollout-ledger rebuild`: the log holds everything",
    )


def _translated(path: Path, wrong: Exception) -> LedgerError | None:
    match code_of(wrong):
        case sqlite3.SQLITE_FULL:
            return full(path)
        case sqlite3.SQLITE_IOERR if is_full(path):
            return full(path)
        case sqlite3.SQLITE_IOERR:
            return LedgerUnwritable(
                f"the disk under {path} does not answer: {wrong}",
                hint="look at the disk's health and space; folding goes on by itself",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LedgerLocked(
                f"another program has kept {path} locked for {BUSY_SECONDS:g} s",
                hint="see who has it open, for example with fuser; folding goes on by itself",
            )
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(path, wrong)
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return LedgerUnusable(
                f"{path} cannot be used as a ledger: {wrong}",
                hint="check that you may read the file and write its folder",
            )
        case _:
            return None
