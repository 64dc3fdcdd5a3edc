"""Fold the whole log again, beside the ledger, and put the result in its place."""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from pathlib import Path

from consumers.follow import Follower, Readable
from ledger.digest import ledger_digest
from ledger.errors import LedgerDamaged, LedgerUnusable, LedgerUnwritable
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

    Raises LedgerBusy while another process writes it, LedgerUnwritable when the disk has no room
    for a second ledger. Killed or refused half way, it leaves the old ledger as it was. A damaged
    one is set aside under another name when SQLite cannot open it.
    """
    try:
        return _rebuild(log, path)
    except LedgerUnwritable as wrong:
        hint = "the ledger is as it was: make room for a second one beside it and try again"
        raise LedgerUnwritable(wrong.message, hint=hint) from wrong


def _rebuild(log: Readable, path: Path) -> Rebuilt:
    beside = path.with_name(f"{path.name}.rebuild-{os.getpid()}")
    live = _open_or_set_aside(path)
    try:
        _remove_all(path, "rebuild-")
        before = _digest_before(live)
        with Ledger.open(beside) as fresh:
            records = Follower(log, fresh).catch_up()
            live.let_go()
            fresh.backup_into(path)
        return Rebuilt(records, before, ledger_digest(path))
    finally:
        live.let_go()
        live.release()
        _remove_all(path, "rebuild-")


def _digest_before(live: Ledger) -> str:
    try:
        return ledger_digest(live.path) if live.progress().position >= 0 else ""
    except LedgerUnusable:
        # Damaged in places that opening it does not look at.
        return ""


def _open_or_set_aside(path: Path) -> Ledger:
    try:
        return Ledger.open(path)
    except LedgerDamaged:
        if not _is_ours(path):
            raise
        # A ledger that SQLite cannot open is derived data: it is kept aside, never overwritten. Its
        # WAL goes with it, or it would be taken for the new file's.
        for suffix in ("-wal", "-shm", ""):
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(path.with_name(f"{path.name}.damaged-{os.getpid()}{suffix}"))
        return Ledger.open(path)


def _is_ours(path: Path) -> bool:
    """A damaged file does not say what it was; in the place where ledgers are it was one."""
    return path.is_file() and path.parent.name == "ledger"


def _remove_all(path: Path, mark: str) -> None:
    """What a rebuild leaves beside the ledger, this one's or that of one that was killed: whoever
    holds the ledger's lock is the only one.
    """
    for left in path.parent.glob(f"{glob.escape(path.name)}.{mark}*"):
        left.unlink(missing_ok=True)
