"""The write-ahead log stays small although somebody always reads; only its writer sees to that."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from consumers.follow import Follower
from ledger import wal
from ledger.log.schema import create
from ledger.log.sqlite import LogFile
from ledger.store import Ledger
from ledger.wal import BOUND_BYTES, WARNING_BYTES, WARNING_SECONDS, WriteAhead
from tests.invariants import examine
from tests.recorded import Values, values_of

READ_SECONDS = 0.4
MOST_BYTES = BOUND_BYTES + 8 * 1024 * 1024
"""The bound, one large batch, and what SQLite itself keeps until its own checkpoint."""


@contextmanager
def busy_readers(path: Path, count: int = 2) -> Iterator[None]:
    """Threads of which one at least is always inside a read transaction, as long as the block."""
    ended = threading.Event()

    def read(delay: float) -> None:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            connection.isolation_level = None
            ended.wait(delay)
            while not ended.is_set():
                connection.execute("begin")
                connection.execute("select count(*) from sqlite_master").fetchone()
                ended.wait(READ_SECONDS)
                connection.execute("commit")

    readers = [
        threading.Thread(target=read, args=(number * READ_SECONDS / count,))
        for number in range(count)
    ]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        ended.set()
        for reader in readers:
            reader.join()


def sizes(path: Path, steps: Iterator[object]) -> list[int]:
    """How large the WAL is after each step."""
    beside = path.with_name(f"{path.name}-wal")
    return [beside.stat().st_size for _ in steps]


def shrank(found: Sequence[int]) -> int:
    """How often the WAL was started over."""
    return sum(after < before for before, after in pairwise(found))


def test_the_wal_of_a_log_stays_small_under_readers_without_a_pause(tmp_path: Path) -> None:
    dice = random.Random(1)
    with LogFile.create(tmp_path / "log.db") as log, busy_readers(log.path):
        found = sizes(log.path, (log.append([dice.randbytes(20_000)]) for _ in range(1_800)))
    assert max(found) < MOST_BYTES
    assert shrank(found) >= 2


def test_the_wal_of_a_ledger_stays_small_under_readers_without_a_pause(
    tutorial: Path, tmp_path: Path
) -> None:
    values = values_of(tutorial)
    with Ledger.open(tmp_path / "l.db") as ledger, busy_readers(ledger.path):
        follower = Follower(Values(values), ledger)
        found = sizes(ledger.path, iter(lambda: follower.step(1), 0))
    assert len(found) == len(values)
    assert max(found) < MOST_BYTES
    assert shrank(found) >= 2
    examine(values, tmp_path / "l.db")


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A log's connection, with a reader who never ends his transaction."""
    monkeypatch.setattr(wal, "WAIT_MILLISECONDS", 10)
    path = tmp_path / "log.db"
    with closing(create(path)) as writing, closing(sqlite3.connect(path)) as reading:
        reading.execute("begin")
        reading.execute("select count(*) from records").fetchone()
        yield writing


def grow(connection: sqlite3.Connection, size_bytes: int) -> None:
    """Make the WAL larger."""
    connection.execute("create table if not exists filler (content blob)")
    connection.execute("insert into filler values (zeroblob(?))", (size_bytes,))


def test_a_reader_who_never_ends_is_told_of_once_an_hour(
    kept: sqlite3.Connection, tmp_path: Path
) -> None:
    told: list[str] = []
    now = [0.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    beside = WriteAhead(
        tmp_path / "log.db", kept, 5_000, clock=clock, say=lambda line, hint: told.append(line)
    )
    grow(kept, BOUND_BYTES + 1)
    beside.bound()
    assert told == []
    grow(kept, WARNING_BYTES)
    for seconds in (1.0, 32.0, 63.0, WARNING_SECONDS + 10.0, WARNING_SECONDS + 12.0):
        now[0] = seconds
        beside.bound()
    mebibytes = beside.size_bytes() // 1024**2
    line = (
        f"{tmp_path / 'log.db'}-wal has grown to {mebibytes} MiB: somebody has been reading "
        f"{tmp_path / 'log.db'} for long without a pause"
    )
    assert [each.split("-wal")[0] for each in told] == [str(tmp_path / "log.db")]
    assert told[0].partition(": ")[2] == line.partition(": ")[2]
    now[0] = 2 * WARNING_SECONDS + 100.0
    beside.bound()
    assert len(told) == 2
    assert kept.execute("pragma busy_timeout").fetchone() == (5_000,)


def test_a_small_wal_is_left_alone(tmp_path: Path) -> None:
    with closing(create(tmp_path / "log.db")) as connection:
        grow(connection, 100_000)
        beside = WriteAhead(tmp_path / "log.db", connection, 5_000)
        before = beside.size_bytes()
        beside.bound()
        assert beside.size_bytes() == before > 100_000
