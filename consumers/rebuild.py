"""Fold the whole log again, beside the ledger, and put the result in its place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from consumers.follow import Follower, Readable
from ledger.digest import ledger_digest
from ledger.errors import LedgerUnusable
from ledger.store import Ledger


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did: records folded, and the ledger's digest before (empty: there was none)
    and after.
    """

    records: int
    digest_before: str
    digest_after: str


def rebuild(log: Readable, path: Path) -> Rebuilt:
    """The ledger at `path` is what folding the log from its start gives; open readers see it whole.

    Raises LedgerBusy while another process writes it. Killed half way, it leaves the old ledger as
    it was.
    """
    beside = path.with_name(f"{path.name}.rebuild-{os.getpid()}")
    live = _open_or_replace(path)
    try:
        before = ledger_digest(path) if live.progress().position >= 0 else ""
        with Ledger.open(beside) as fresh:
            records = Follower(log, fresh).catch_up()
            live.let_go()
            fresh.backup_into(path)
        return Rebuilt(records, before, ledger_digest(path))
    finally:
        live.release()
        _remove(beside)


def _open_or_replace(path: Path) -> Ledger:
    try:
        return Ledger.open(path)
    except LedgerUnusable as unusable:
        if unusable.__class__ is not LedgerUnusable or not _is_damaged_ledger(path):
            raise
        # A ledger that SQLite cannot open is derived data: it is kept aside, never overwritten.
        path.rename(path.with_name(f"{path.name}.damaged-{os.getpid()}"))
        return Ledger.open(path)


def _is_damaged_ledger(path: Path) -> bool:
    return path.is_file() and path.parent.name == "ledger"


def _remove(beside: Path) -> None:
    for suffix in ("", "-wal", "-shm", ".lock"):
        beside.with_name(beside.name + suffix).unlink(missing_ok=True)
