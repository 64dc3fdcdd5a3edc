"""The file of an embedded log: its tables, the triggers that make them append-only, and how it is
recognised.

The triggers keep honest programs from mistakes, no more: whoever can write the file can drop them.
Proof against that is the Merkle tree and its signed heads. What is written into the tables is left
to sqlite.py.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from ledger.disk import UNREADABLE, code_of, is_full, refuse_network
from ledger.errors import LogUnreachable, LogUnusable

APPLICATION_ID = 0x524C4C47
FORMAT = 1
BUSY_SECONDS = 5.0

PRAGMAS = (
    "pragma synchronous = full",
    "pragma trusted_schema = off",
    "pragma recursive_triggers = on",
)

TABLES = (
    """
    create table dictionaries (
        id integer primary key,
        content blob not null,
        digest text not null
    ) strict
    """,
    """
    create table records (
        position integer primary key,
        value blob not null,
        dictionary integer,
        topic text,
        kafka_offset integer,
        resumes_at integer
    ) strict
    """,
    # A replace deletes the old row without asking the delete trigger, so whatever is not the next
    # row is refused.
    """
    create trigger records_are_contiguous before insert on records
    when new.position is not (select coalesce(max(position), -1) + 1 from records)
    begin
        select raise(abort, 'records are added at the end of the log and nowhere else');
    end
    """,
    """
    create trigger records_are_not_updated before update on records
    begin
        select raise(abort, 'the log is append-only');
    end
    """,
    """
    create trigger records_are_not_deleted before delete on records
    begin
        select raise(abort, 'the log is append-only');
    end
    """,
    """
    create trigger dictionaries_are_contiguous before insert on dictionaries
    when new.id is not (select coalesce(max(id), 0) + 1 from dictionaries)
    begin
        select raise(abort, 'dictionaries are added and never replaced');
    end
    """,
    """
    create trigger dictionaries_are_not_updated before update on dictionaries
    begin
        select raise(abort, 'the log is append-only');
    end
    """,
    """
    create trigger dictionaries_are_not_deleted before delete on dictionaries
    begin
        select raise(abort, 'the log is append-only');
    end
    """,
)


def create(path: Path) -> sqlite3.Connection:
    """The log's file open for writing, made when there is none, readable by its owner alone.

    Raises LogUnusable for what is there and is not a log, which is left as it was, and on a network
    file system; LogUnreachable when the disk is full.
    """
    _refuse_place(path)
    if not path.exists():
        _make(path)
    return _opened(path, "rw")


def open_existing(path: Path, *, writable: bool) -> sqlite3.Connection:
    """The log's file, which must be there. Raises LogUnusable when it is not, when it is no log,
    and on a network file system.
    """
    _refuse_place(path)
    if not path.exists():
        raise LogUnusable(
            f"there is no log at {path}",
            hint="`rollout-ledger serve` or `watch` makes one; name another with --log or --data",
        )
    return _opened(path, "rw" if writable else "ro")


@contextmanager
def told(path: Path) -> Iterator[None]:
    """SQLite's errors inside the block leave it as ours: LogUnreachable when they may pass, else
    LogUnusable.
    """
    try:
        yield
    except UNREADABLE as wrong:
        raise _translated(path, wrong) from wrong


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All that is written inside commits together, or, when an exception leaves the block, not at
    all.
    """
    connection.execute("begin immediate")
    try:
        yield
        connection.execute("commit")
    finally:
        if connection.in_transaction:
            connection.execute("rollback")


def _make(path: Path) -> None:
    """The file appears whole: whoever waits for it never finds half a log."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        os.close(handle)
    except OSError as wrong:
        raise _unmade(path, wrong) from wrong
    beside = Path(name)
    try:
        with told(path), closing(_connect(beside, "rw")) as connection:
            with transaction(connection):
                for statement in TABLES:
                    connection.execute(statement)
                connection.execute(f"pragma application_id = {APPLICATION_ID}")
                connection.execute(f"pragma user_version = {FORMAT}")
            # Last: everything is in the file itself, for a WAL would not get the new name.
            connection.execute("pragma journal_mode = wal")
        with suppress(FileExistsError):
            # Another process may have been quicker; its log is the log.
            path.hardlink_to(beside)
    except OSError as wrong:
        raise _unmade(path, wrong) from wrong
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            with suppress(OSError):
                beside.with_name(beside.name + suffix).unlink(missing_ok=True)


def _opened(path: Path, mode: str) -> sqlite3.Connection:
    with told(path):
        connection = _connect(path, mode)
        try:
            _refuse_foreign(connection, path)
            for pragma in PRAGMAS:
                connection.execute(pragma)
        except BaseException:
            connection.close()
            raise
        return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # Transactions are begun by hand: Python's begin is deferred, and fails at once when another
    # process writes.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    (mark,) = connection.execute("pragma application_id").fetchone()
    if mark != APPLICATION_ID:
        raise _not_a_log(path)
    (form,) = connection.execute("pragma user_version").fetchone()
    if form > FORMAT:
        raise LogUnusable(
            f"{path} was written by a newer release (log format {form}, known is {FORMAT})",
            hint="upgrade rollout-ledger here too",
        )


def _refuse_place(path: Path) -> None:
    refuse_network(path, LogUnusable)
    if path.is_dir():
        raise LogUnusable(
            f"{path} is a folder, not a Rollout Ledger log",
            hint="the address names the file: sqlite:///path/log.db",
        )


def _not_a_log(path: Path) -> LogUnusable:
    return LogUnusable(
        f"{path} is not a Rollout Ledger log",
        hint="it was left as it was; name another file with --log or another folder with --data",
    )


def _unmade(path: Path, wrong: OSError) -> LogUnusable:
    if wrong.errno == errno.ENOSPC:
        return _full(path)
    return LogUnusable(
        f"no file can be made in {path.parent}: {wrong.strerror}",
        hint="run as the user who owns the folder, or choose another with --data or --log",
    )


def _full(path: Path) -> LogUnreachable:
    return LogUnreachable(
        f"there is no space left for {path}",
        hint="nothing is lost: recording goes on by itself when there is space again",
    )


def _translated(path: Path, wrong: Exception) -> LogUnusable:
    match code_of(wrong):
        case sqlite3.SQLITE_NOTADB:
            return _not_a_log(path)
        case sqlite3.SQLITE_FULL:
            return _full(path)
        case sqlite3.SQLITE_IOERR if is_full(path):
            return _full(path)
        case sqlite3.SQLITE_IOERR:
            return LogUnreachable(
                f"the disk under {path} does not answer: {wrong}",
                hint="look at the disk's health and space; recording goes on by itself",
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LogUnreachable(
                f"another process has kept {path} locked for {BUSY_SECONDS:g} s",
                hint="see who has it open, for example with fuser",
            )
        case sqlite3.SQLITE_CORRUPT:
            return LogUnusable(
                f"{path} is damaged: {wrong}",
                hint="put a backup in its place; `rollout-ledger verify` says what is missing",
            )
        case _:
            return LogUnusable(
                f"{path} cannot be used: {wrong}",
                hint="check that you may read the file and write its folder",
            )
