"""The ledger file, for its one writer: rows, Merkle frontier and position in one transaction.

Nobody else writes SQL that changes a ledger. Consumers hand over rows (`put`, `insert`) and ask by
the names of queries/fold/*.sql; reader.py is the way in for everyone who only reads.
"""

from __future__ import annotations

import errno
import fcntl
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ledger import sql
from ledger.disk import refuse_network
from ledger.errors import LedgerBusy, LedgerUnusable
from ledger.merkle import Tree
from ledger.migrations import APPLICATION_ID, migrate
from ledger.model import Position
from ledger.troubles import BUSY_SECONDS, damaged, full, told
from ledger.wal import WriteAhead

PRAGMAS = (
    "pragma journal_mode = wal",
    "pragma synchronous = full",
    "pragma foreign_keys = on",
    "pragma recursive_triggers = on",
    "pragma trusted_schema = off",
)

AT = "select next_position, tree_size from progress"

Row = dict[str, Any]


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
        self._columns: dict[str, dict[str, bool]] = {}
        self._at: tuple[int, int] | None = None
        self._moved: tuple[int, int] | None = None
        self._wal = WriteAhead(path, connection, int(BUSY_SECONDS * 1000))

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open or create the ledger, migrated and with its views.

        Raises LedgerBusy while another process holds it, LedgerUnusable for what is not a ledger or
        is on a network file system, LedgerUnwritable when the disk is full.
        """
        refuse_network(path, LedgerUnusable)
        _make_room(path)
        lock = _locked(path)
        try:
            with told(path):
                return cls(path, _connected(path), lock)
        except BaseException:
            lock.close()
            raise

    def close(self) -> None:
        """Checkpoint the WAL and free the lock."""
        self.let_go()
        self._lock.close()

    def let_go(self) -> None:
        """Checkpoint the WAL and close the file, still holding the lock: nobody else may write it
        yet. On a full disk the WAL stays, and the next to open the file goes on with it. Letting go
        twice is allowed.
        """
        with closing(self._connection), suppress(sqlite3.Error):
            self._connection.execute("pragma wal_checkpoint(truncate)")

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

        Raises LedgerUnwritable when the disk is full or fails and LedgerLocked when another program
        has the file: nothing is lost and the same may be tried again. Raises LedgerBusy when
        another writer has been here since `progress`, and LedgerDamaged.
        """
        self._moved = None
        with told(self.path):
            self._connection.execute("begin immediate")
            try:
                self._refuse_overtaken()
                yield
                self._connection.execute("commit")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
                raise
        self._at = self._moved or self._at
        self._wal.bound()

    def progress(self) -> Progress:
        """How far the log is folded. Raises as `transaction` does, and LedgerBusy when it is not
        where this ledger's last `advance` has left it: another writer has been here.
        """
        with told(self.path):
            row = self._connection.execute(
                "select cluster, next_position, now, tree_size, frontier from progress"
            ).fetchone()
        try:
            tree = Tree.from_bytes(row["tree_size"], row["frontier"])
            position = Position(row["next_position"] - 1)
            found = Progress(row["cluster"], position, row["now"], tree)
        except (TypeError, ValueError) as wrong:
            raise damaged(self.path, "its position cannot be read") from wrong
        if self._at not in (None, (position + 1, tree.size)):
            raise _overtaken(self.path)
        self._at = position + 1, tree.size
        return found

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
            raise _overtaken(self.path)
        self._moved = after.position + 1, after.tree.size

    def rows(self, query: str, parameters: Mapping[str, Any]) -> list[Row]:
        """The rows of a named query."""
        with told(self.path):
            found = self._connection.execute(sql.load(query).sql, parameters).fetchall()
        return [dict(zip(row.keys(), row, strict=True)) for row in found]

    def row(self, query: str, parameters: Mapping[str, Any]) -> Row | None:
        """The first row of a named query, None when there is none."""
        with told(self.path):
            row = self._connection.execute(sql.load(query).sql, parameters).fetchone()
        return None if row is None else dict(zip(row.keys(), row, strict=True))

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
        """Add rows, or change the given columns of those whose primary key exists.

        Raises KeyError for a column that the table has not, in that spelling: SQLite alone would
        not mind upper case, and what is read back has the table's.
        """
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
        after. Raises LedgerUnwritable when they have no room, and leaves it as it was.
        """
        with told(target), closing(sqlite3.connect(target, timeout=BUSY_SECONDS)) as connection:
            self._connection.backup(connection)

    def _refuse_overtaken(self) -> None:
        """Before anything is written: rows of another writer's would collide with ours."""
        if self._at is not None:
            row = self._connection.execute(AT).fetchone()
            if row is None or tuple(row) != self._at:
                raise _overtaken(self.path)

    def _upsert(self, table: str, columns: tuple[str, ...]) -> str:
        if (table, columns) not in self._statements:
            is_key = self._declared(table)
            keys = (column for column in is_key if is_key[column])
            marks = ", ".join(f":{column}" for column in columns)
            changes = ", ".join(f"{c} = excluded.{c}" for c in columns if not is_key[c])
            action = f"update set {changes}" if changes else "nothing"
            self._statements[table, columns] = (
                f"insert into {table} ({', '.join(columns)}) values ({marks}) "
                f"on conflict ({', '.join(keys)}) do {action}"
            )
        return self._statements[table, columns]

    def _declared(self, table: str) -> Mapping[str, bool]:
        """The columns of a table, and whether each is of its primary key."""
        if table not in self._columns:
            info = self._connection.execute(f"pragma table_info({table})").fetchall()
            self._columns[table] = {row["name"]: bool(row["pk"]) for row in info}
        return self._columns[table]


def _connected(path: Path) -> sqlite3.Connection:
    # One step at a time, though not always in the same thread: the consumer folds beside its event
    # loop.
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.row_factory = sqlite3.Row
        _claim(connection, path)
        for pragma in PRAGMAS:
            connection.execute(pragma)
        migrate(connection)
        _make_views(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_room(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as wrong:
        if wrong.errno == errno.ENOSPC:
            raise full(path) from wrong
        raise LedgerUnusable(f"{path.parent} cannot be made: {wrong.strerror}") from wrong


def _locked(path: Path) -> IO[bytes]:
    try:
        lock = path.with_name(path.name + ".lock").open("ab")
    except OSError as wrong:
        if wrong.errno == errno.ENOSPC:
            raise full(path) from wrong
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


def _overtaken(path: Path) -> LedgerBusy:
    return LedgerBusy(
        f"another process has written {path} meanwhile",
        hint="a ledger has one writer, and the file beside it that says so must not be removed: "
        "stop one of the two `consume`",
    )


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    """Mark an empty file as ours, before it has any table: killed in between, it still is. Refuse
    what is not ours.
    """
    tables = connection.execute("select count(*) from sqlite_master").fetchone()[0]
    (mark,) = connection.execute("pragma application_id").fetchone()
    if mark == APPLICATION_ID:
        return
    if tables:
        raise LedgerUnusable(
            f"{path} is not a Rollout Ledger ledger",
            hint="it was left as it was; name another file with --ledger or --data",
        )
    connection.execute(f"pragma application_id = {APPLICATION_ID}")


def _make_views(connection: sqlite3.Connection) -> None:
    connection.execute("begin immediate")
    for row in connection.execute("select name from sqlite_master where type = 'view'").fetchall():
        connection.execute(f'drop view "{row["name"]}"')
    for view in sql.views():
        name = view.name.removeprefix("views/")
        connection.execute(f"create view {name} as\n{view.sql}")
    connection.execute("commit")
