"""The ledger file, for its one writer: rows, Merkle frontier and position in one transaction.

Nobody else writes SQL that changes a ledger. Consumers hand over rows (`put`, `insert`) and ask by
the names of queries/fold/*.sql; reader.py is the way in for everyone who only reads.
"""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ledger import sql
from ledger.errors import LedgerBusy, LedgerUnusable
from ledger.merkle import Tree
from ledger.migrations import APPLICATION_ID, migrate
from ledger.model import Position

BUSY_SECONDS = 5.0
PRAGMAS = (
    "pragma journal_mode = wal",
    "pragma synchronous = full",
    "pragma foreign_keys = on",
    "pragma recursive_triggers = on",
    "pragma trusted_schema = off",
)

Row = sqlite3.Row


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the log is folded: cluster, last folded position, record time, and the tree."""

    cluster: str
    position: Position
    now: str
    tree: Tree


class Ledger:
    """A ledger open for writing; at most one in the world, held by a lock beside the file."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: IO[bytes]) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._statements: dict[tuple[str, tuple[str, ...]], str] = {}
        self._keys: dict[str, tuple[str, ...]] = {}

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open or create the ledger, migrated and with its views.

        Raises LedgerBusy while another process holds it, LedgerUnusable for what is not a ledger.
        """
        _make_room(path)
        lock = _locked(path)
        try:
            # One step at a time, though not always in the same thread: the consumer folds beside
            # its event loop.
            connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            connection.row_factory = sqlite3.Row
            _refuse_foreign(connection, path)
            for pragma in PRAGMAS:
                connection.execute(pragma)
            migrate(connection)
            _make_views(connection)
        except sqlite3.Error as wrong:
            lock.close()
            raise LedgerUnusable(
                f"{path} cannot be used as a ledger: {wrong}",
                hint="move it away and run `rollout-ledger rebuild`: the log holds everything",
            ) from wrong
        except LedgerUnusable:
            lock.close()
            raise
        return cls(path, connection, lock)

    def close(self) -> None:
        """Checkpoint the WAL and free the lock."""
        self.let_go()
        self._lock.close()

    def let_go(self) -> None:
        """Checkpoint the WAL and close the file, still holding the lock: nobody else may write it
        yet.
        """
        self._connection.execute("pragma wal_checkpoint(truncate)")
        self._connection.close()

    def release(self) -> None:
        """Free the lock of a ledger that was let go."""
        self._lock.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside commits together, or, when an exception leaves the block, not
        at all.
        """
        self._connection.execute("begin immediate")
        try:
            yield
            self._connection.execute("commit")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise

    def progress(self) -> Progress:
        """How far the log is folded."""
        row = self._connection.execute(
            "select cluster, next_position, now, tree_size, frontier from progress"
        ).fetchone()
        return Progress(
            row["cluster"],
            Position(row["next_position"] - 1),
            row["now"],
            Tree.from_bytes(row["tree_size"], row["frontier"]),
        )

    def advance(self, before: Progress, after: Progress) -> None:
        """Move the position on, inside the transaction of its rows.

        Raises LedgerBusy when the ledger is not where `before` says: another writer has been here.
        """
        moved = self._connection.execute(
            """
            update progress
            set cluster = ?, next_position = ?, now = ?, tree_size = ?, frontier = ?
            where next_position = ? and tree_size = ?
            """,
            (
                after.cluster,
                after.position + 1,
                after.now,
                after.tree.size,
                after.tree.to_bytes(),
                before.position + 1,
                before.tree.size,
            ),
        )
        if moved.rowcount != 1:
            raise LedgerBusy(f"another process has written {self.path} meanwhile")

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[Row]:
        """The rows of a named query."""
        return self._connection.execute(sql.load(query).sql, parameters).fetchall()

    def row(self, query: str, parameters: Mapping[str, Any]) -> Row | None:
        """The first row of a named query, None when there is none."""
        found: Row | None = self._connection.execute(sql.load(query).sql, parameters).fetchone()
        return found

    def run(self, query: str, parameters: Mapping[str, Any]) -> int:
        """Run a named statement that changes rows; how many it changed."""
        return self._connection.execute(sql.load(query).sql, parameters).rowcount

    def insert(self, table: str, rows: Sequence[Sequence[Any]]) -> None:
        """Add rows, every column in the table's order. Raises sqlite3.IntegrityError for a key that
        exists.
        """
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            self._connection.executemany(f"insert into {table} values ({marks})", rows)

    def put(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows, or change the given columns of those whose primary key exists."""
        for row in rows:
            self._connection.execute(self._upsert(table, tuple(row)), row)

    def add(self, table: str, row: Mapping[str, Any]) -> int:
        """Add one row and return its new id."""
        columns = ", ".join(row)
        marks = ", ".join(f":{column}" for column in row)
        statement = f"insert into {table} ({columns}) values ({marks})"
        return int(self._connection.execute(statement, row).lastrowid or 0)

    def backup_into(self, target: Path) -> None:
        """Copy this ledger over `target`, which readers may have open: they see it whole, before or
        after.
        """
        with sqlite3.connect(target, timeout=BUSY_SECONDS) as connection:
            self._connection.backup(connection)
        connection.close()

    def _upsert(self, table: str, columns: tuple[str, ...]) -> str:
        if (table, columns) not in self._statements:
            keys = self._primary_key(table)
            marks = ", ".join(f":{column}" for column in columns)
            changes = ", ".join(f"{c} = excluded.{c}" for c in columns if c not in keys)
            action = f"update set {changes}" if changes else "nothing"
            self._statements[table, columns] = (
                f"insert into {table} ({', '.join(columns)}) values ({marks}) "
                f"on conflict ({', '.join(keys)}) do {action}"
            )
        return self._statements[table, columns]

    def _primary_key(self, table: str) -> tuple[str, ...]:
        if table not in self._keys:
            info = self._connection.execute(f"pragma table_info({table})").fetchall()
            self._keys[table] = tuple(row["name"] for row in info if row["pk"])
        return self._keys[table]


def _make_room(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        raise LedgerUnusable(f"{path.parent} cannot be made: {wrong.strerror}") from wrong


def _locked(path: Path) -> IO[bytes]:
    try:
        lock = path.with_name(path.name + ".lock").open("ab")
    except OSError as wrong:
        raise LedgerUnusable(
            f"{path.parent} cannot be written to: {wrong.strerror}",
            hint="run as the user who owns the data folder, or choose another with --data",
        ) from wrong
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise LedgerBusy(
            f"another process is writing {path}",
            hint="a ledger has one writer: stop the other `consume` or `serve` first",
        ) from None
    return lock


def _refuse_foreign(connection: sqlite3.Connection, path: Path) -> None:
    tables = connection.execute("select count(*) from sqlite_master").fetchone()[0]
    (mark,) = connection.execute("pragma application_id").fetchone()
    if tables and mark != APPLICATION_ID:
        raise LedgerUnusable(
            f"{path} is not a Rollout Ledger ledger",
            hint="it was left as it is; name another file with --ledger or --data",
        )


def _make_views(connection: sqlite3.Connection) -> None:
    connection.execute("begin immediate")
    for row in connection.execute("select name from sqlite_master where type = 'view'").fetchall():
        connection.execute(f'drop view "{row["name"]}"')
    for view in sql.views():
        name = view.name.removeprefix("views/")
        connection.execute(f"create view {name} as\n{view.sql}")
    connection.execute("commit")
