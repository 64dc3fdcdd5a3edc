"""Copies of log.db and ledger.db that fit each other, taken while everything runs.

The ledger is copied first and the log after it, so the log's copy holds every record that the
ledger's was folded from; they are put in place in the other order, for the same reason. Keys are
never copied: whoever finds a backup must not find with it what was hidden in it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ledger.disk import UNREADABLE, code_of
from ledger.errors import BackupFailed, LedgerError
from ledger.log.sqlite import LogFile
from ledger.model import NOWHERE, Position, timestamp
from ledger.troubles import checked

STEP_PAGES = 256
"""How much is copied at a time: 1 MiB. Nobody waits for a step; it only lets signals through."""

MARK = "rollout-ledger-backup.json"
LOG = Path("log", "log.db")
LEDGER = Path("ledger", "ledger.db")


@dataclass(frozen=True, slots=True)
class Copied:
    """One file of a backup."""

    path: Path
    size_bytes: int
    position: Position
    """The last record that the copy holds, or was folded from; NOWHERE when there is none."""


def backup(log: Path, ledger: Path, folder: Path, *, now: datetime) -> list[Copied]:
    """Copy the log and, where there is one, the ledger into a folder of its own: on disk when the
    call returns, checked, and in the layout of a data folder. `now` is noted in it.

    An earlier backup in the folder is replaced, file by file; until then, and whatever is raised,
    it is as it was. Raises BackupFailed, and LogUnusable for what is no log.
    """
    LogFile.open(log, writable=False).close()
    with _alone(folder), _refused_disk(folder), _partial(folder) as (new_log, new_ledger):
        if ledger.exists():
            _copy(ledger, new_ledger)
        _copy(log, new_log)
        copied = [Copied(folder / LOG, new_log.stat().st_size, _head(new_log))]
        if new_ledger.exists():
            position = _folded(new_ledger, new_log)
            copied.append(Copied(folder / LEDGER, new_ledger.stat().st_size, position))
        _put(new_log, folder / LOG)
        if new_ledger.exists():
            _put(new_ledger, folder / LEDGER)
        _write_mark(folder, copied, now)
        for each in (folder / LOG.parent, folder / LEDGER.parent, folder, folder.parent):
            _sync(each)
    return copied


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The folder is there, is a backup or empty, and no other backup is made in it meanwhile."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as wrong:
        raise _refusal(folder, wrong) from wrong
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BackupFailed(f"another backup is being made in {folder}") from None
        if any(folder.iterdir()) and not (folder / MARK).exists():
            raise BackupFailed(
                f"{folder} holds something else than a backup",
                hint="name a folder of its own; an empty or a new one will do",
            )
        yield
    finally:
        os.close(handle)


@contextmanager
def _refused_disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as wrong:
        raise _refusal(folder, wrong) from wrong


@contextmanager
def _partial(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Where the copies grow; what is not put in place is removed."""
    # The mark comes first: a backup that was killed half way is one that may be made again.
    if not (folder / MARK).exists():
        _write_mark(folder, [], None)
    paths = [(folder / each).with_name(f"{each.name}.partial") for each in (LOG, LEDGER)]
    try:
        for path in paths:
            path.parent.mkdir(exist_ok=True)
            path.unlink(missing_ok=True)
        yield paths[0], paths[1]
    finally:
        for path in paths:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment, and check the copy."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        uri = f"{source.resolve().as_uri()}?mode=ro"
        with (
            closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as reading,
            closing(sqlite3.connect(target, isolation_level=None)) as writing,
        ):
            # Synced below, once, and worthless before.
            writing.execute("pragma synchronous = off")
            # One moment: without it every write from outside would start the copy over.
            reading.execute("begin")
            reading.execute("select count(*) from sqlite_master").fetchone()
            reading.backup(writing, pages=STEP_PAGES)
        with closing(_opened(target)) as copy:
            found = checked(copy, "quick_check")
    except UNREADABLE as wrong:
        raise _failed(source, target, wrong) from wrong
    if found != "ok":
        raise BackupFailed(
            f"{source} is damaged: {found}",
            hint="no copy of it was kept; `rollout-ledger doctor` says what to do",
        )
    _sync(target)


def _opened(copy: Path) -> sqlite3.Connection:
    """A copy, which nobody writes: SQLite makes no files beside it."""
    return sqlite3.connect(f"{copy.resolve().as_uri()}?immutable=1", uri=True)


def _head(new_log: Path) -> Position:
    with LogFile(new_log, _opened(new_log)) as log:
        return log.head()


def _folded(new_ledger: Path, new_log: Path) -> Position:
    """How far the ledger's copy is folded. Raises BackupFailed unless from the log's copy."""
    try:
        with closing(_opened(new_ledger)) as ledger:
            (size,) = ledger.execute("select next_position from progress").fetchone()
            leaf = ledger.execute("select entry from leaves where position = ?", (size - 1,))
            entry = leaf.fetchone()
    except UNREADABLE as wrong:
        raise BackupFailed(
            f"the ledger cannot be read: {wrong}",
            hint="name another with --ledger or --data; `rollout-ledger doctor` says what is wrong",
        ) from wrong
    if not size:
        return NOWHERE
    position = Position(size - 1)
    try:
        with LogFile(new_log, _opened(new_log)) as log:
            [record] = log.read(Position(position - 1), 1)
    except (LedgerError, ValueError):
        record = None
    if record is None or entry is None or hashlib.sha256(record.value).digest() != entry[0]:
        raise BackupFailed(
            f"the log does not hold the record at position {position} that the ledger was folded "
            "from",
            hint="put the right log back, or run `rollout-ledger rebuild`, and try again",
        )
    return position


def _put(copy: Path, place: Path) -> None:
    # Whoever looked into the earlier backup has left these beside it; they would be taken for ours.
    for suffix in ("-wal", "-shm"):
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    copy.replace(place)


def _write_mark(folder: Path, copied: Sequence[Copied], now: datetime | None) -> None:
    """Says that the folder is a backup, and of when."""
    content = {
        "made_at": timestamp(now) if now else None,
        "files": {
            str(each.path.relative_to(folder)): {
                "bytes": each.size_bytes,
                "position": each.position,
            }
            for each in copied
        },
    }
    partial = folder / f"{MARK}.partial"
    with partial.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / MARK)


def _sync(path: Path) -> None:
    """A file's content, or a folder's names, survive power loss."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failed(source: Path, target: Path, wrong: Exception) -> BackupFailed:
    match code_of(wrong):
        case sqlite3.SQLITE_FULL:
            return _full(target.parent.parent)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            hint = "no copy of it was kept; `rollout-ledger doctor` says what to do"
            return BackupFailed(f"{source} is damaged: {wrong}", hint=hint)
        case _:
            return BackupFailed(f"{source} cannot be copied to {target}: {wrong}")


def _refusal(folder: Path, wrong: OSError) -> BackupFailed:
    if wrong.errno == errno.ENOSPC:
        return _full(folder)
    return BackupFailed(f"{wrong.filename or folder} cannot be written to: {wrong.strerror}")


def _full(folder: Path) -> BackupFailed:
    return BackupFailed(
        f"there is no space left for a backup in {folder}",
        hint="a backup that was there before is as it was; a new one needs room beside it",
    )
