"""Killed, or refused by the disk, at a system call: whichever it is, the next run makes it whole.

The normal run takes a seeded sample of the calls, in which each kind of call occurs; `make
acceptance` takes every one.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from consumers.follow import Follower
from ledger.digest import ledger_digest
from ledger.log.sqlite import LogFile
from ledger.migrations.steps import migrations
from ledger.store import Ledger
from tests.consuming import firsts
from tests.disks import consume, log_of, running, until
from tests.faults import row
from tests.invariants import examine, values_of_log
from tests.recorded import folded, values_of
from tests.strace import Ended, Point, disturbed, injecting, points, require_strace

RECORDS, BATCH = 60, 20
KILL = "signal=SIGKILL"
ERRORS = ("error=EIO", "error=ENOSPC")
WHOLE = pytest.param(None, marks=[pytest.mark.acceptance, pytest.mark.timeout(3600)], id="every")

FOLD = f"""
import sys
from pathlib import Path
from consumers.follow import Follower
from ledger.errors import LedgerError
from ledger.log.sqlite import LogFile
from ledger.store import Ledger

log, ledger = map(Path, sys.argv[1:])
try:
    with LogFile.open(log, writable=False) as log, Ledger.open(ledger) as ledger:
        follower = Follower(log, ledger)
        follower.verify_continuity()
        while follower.step({BATCH}):
            print(ledger.progress().position, flush=True)
except LedgerError as wrong:
    sys.exit("error: " + wrong.message)
"""

OPEN = """
import sys
from pathlib import Path
from ledger.errors import LedgerError
from ledger.store import Ledger

try:
    Ledger.open(Path(sys.argv[1])).close()
except LedgerError as wrong:
    sys.exit("error: " + wrong.message)
"""

APPEND = """
import sys
from pathlib import Path
from ledger.errors import LedgerError, LogUnreachable
from ledger.log.sqlite import LogFile

def append(log, values):
    for attempt in range(3):
        try:
            return log.append(values)
        except LogUnreachable as wrong:
            last = wrong
    raise last

try:
    with LogFile.open(Path(sys.argv[1]), writable=False) as source:
        values = [record.value for record in source.read(-1, 1_000_000)]
    with LogFile.create(Path(sys.argv[2])) as log:
        for start in range(0, len(values), 10):
            append(log, values[start : start + 10])
            print(start + 10, flush=True)
except LedgerError as wrong:
    sys.exit("error: " + wrong.message)
"""


@pytest.fixture(scope="module")
def values(tutorial: Path) -> list[bytes]:
    return values_of(tutorial)[:RECORDS]


@pytest.fixture
def log(values: Sequence[bytes], tmp_path: Path) -> Path:
    return log_of(values, tmp_path / "source.db")


@pytest.fixture
def digest(values: Sequence[bytes], tmp_path: Path) -> str:
    """The digest of a ledger whose consumer nothing has disturbed."""
    return ledger_digest(folded(values, tmp_path / "calm.db", batch=BATCH))


@row("C1", how="strace kills at each pwrite64, write, fdatasync, ftruncate, unlink", part="real")
@pytest.mark.parametrize("sample", [pytest.param(20, id="sample"), WHOLE])
def test_c01_a_consumer_killed_at_a_system_call_has_folded_a_batch_whole_or_not_at_all(
    sample: int | None, log: Path, values: Sequence[bytes], digest: str, tmp_path: Path
) -> None:
    begun = begun_ledger(values, tmp_path)

    def check(ended: Ended, folder: Path) -> None:
        assert ended.killed
        resumed(log, folder / "ledger.db", told=ended.out, digest=digest)

    sweep(["-c", FOLD, log, "ledger.db"], begun, (KILL,), sample, check)


@row("C2", how="strace fails each write and sync with EIO, each write with ENOSPC", part="real")
@pytest.mark.parametrize("sample", [pytest.param(16, id="sample"), WHOLE])
def test_c02_a_write_that_fails_rolls_the_batch_back_and_is_told_in_a_line(
    sample: int | None, log: Path, values: Sequence[bytes], digest: str, tmp_path: Path
) -> None:
    begun = begun_ledger(values, tmp_path)

    def check(ended: Ended, folder: Path) -> None:
        told_in_a_line(ended)
        resumed(log, folder / "ledger.db", told=ended.out, digest=digest)

    sweep(["-c", FOLD, log, "ledger.db"], begun, ERRORS, sample, check)


@row("C2", how="strace fails one write of a consume process with EIO, or its sync", part="real")
@pytest.mark.parametrize("call", ["pwrite64", "fdatasync"])
def test_c02_a_consumer_whose_disk_fails_once_says_so_and_goes_on_by_itself(
    call: str, log: Path, values: Sequence[bytes], digest: str, tmp_path: Path
) -> None:
    require_strace()
    ledger = tmp_path / "ledger.db"
    folded(values[:BATCH], ledger)
    # While the ledger is opened, or while the batch is folded: either is tried again.
    point = Point(call, {"pwrite64": 60, "fdatasync": 4}[call], "error=EIO")
    with running(tmp_path, consume(log, ledger), under=injecting(point)) as consumer:
        until(lambda: len(consumer.told()) == 2)
        until(lambda: len(values_folded(ledger)) == len(values))
        assert consumer.stop() == 0
        told = consumer.told()
    assert told[0].startswith(f"warning: the disk under {ledger} does not answer: disk I/O error; ")
    assert told[1].startswith("note: ")
    assert ledger_digest(ledger) == digest
    examine(log, ledger)


def values_folded(ledger: Path) -> list[tuple[int]]:
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute("select position from leaves").fetchall()


@row("C9", how="strace kills or fails each write while a ledger is made", part="real")
@pytest.mark.parametrize("sample", [pytest.param(12, id="sample"), WHOLE])
def test_c09_a_ledger_killed_while_it_is_made_is_made_by_the_next_start(
    sample: int | None, log: Path, digest: str, tmp_path: Path
) -> None:
    (empty := tmp_path / "empty").mkdir()

    def check(ended: Ended, folder: Path) -> None:
        told_in_a_line(ended)
        assert_never_mixed(folder / "ledger.db")
        resumed(log, folder / "ledger.db", told=[], digest=digest)

    sweep(["-c", OPEN, "ledger.db"], empty, (KILL, *ERRORS), sample, check)


@row("C9", how="strace kills or fails each write while an old ledger is migrated", part="real")
@pytest.mark.parametrize("sample", [pytest.param(12, id="sample"), WHOLE])
def test_c09_a_migration_killed_half_way_leaves_the_old_tables_or_the_new(
    sample: int | None, log: Path, digest: str, tmp_path: Path
) -> None:
    (old := tmp_path / "old").mkdir()
    with closing(sqlite3.connect(old / "ledger.db", isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = wal")
        migrations.apply(Database(connection), stop_before=steps()[-2])

    def check(ended: Ended, folder: Path) -> None:
        told_in_a_line(ended)
        assert_never_mixed(folder / "ledger.db")
        resumed(log, folder / "ledger.db", told=[], digest=digest)

    sweep(["-c", OPEN, "ledger.db"], old, (KILL, *ERRORS), sample, check)


@row("W34", how="strace kills an appender, or fails its writes, at each system call", part="real")
@pytest.mark.parametrize("sample", [pytest.param(20, id="sample"), WHOLE])
def test_w34_an_appender_never_acknowledges_what_the_log_does_not_hold(
    sample: int | None, log: Path, values: Sequence[bytes], tmp_path: Path
) -> None:
    (empty := tmp_path / "empty").mkdir()

    def check(ended: Ended, folder: Path) -> None:
        told_in_a_line(ended)
        with LogFile.create(folder / "log.db") as opened:
            kept = firsts(values_of_log(opened.path))
            assert len(kept) >= max(map(int, ended.out), default=0)
            assert (kept, len(kept) % 10) == (values[: len(kept)], 0)
            opened.append(values[len(kept) :]) if len(kept) < len(values) else None
        assert firsts(values_of_log(folder / "log.db")) == values
        examine(folder / "log.db")

    sweep(["-c", APPEND, log, "log.db"], empty, (KILL, *ERRORS), sample, check)


def sweep(
    program: Sequence[str | Path],
    begin: Path,
    actions: Sequence[str],
    sample: int | None,
    check: Callable[[Ended, Path], None],
) -> None:
    """Run a program, whose last argument is a file, with one fault at a time, each time in a copy
    of the folder `begin`; `check` gets how it ended, and that folder.
    """
    folder = begin.with_name("point")

    def fresh() -> list[str | Path]:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(begin, folder)
        return [*program[:-1], folder / program[-1]]

    chosen = points(fresh(), *actions, sample=sample)
    assert len(chosen) == sample or not sample
    for point in chosen:
        ended = disturbed(fresh(), point)
        try:
            check(ended, folder)
        except BaseException as wrong:
            wrong.add_note(f"at {point}: ended with {ended}")
            raise


def begun_ledger(values: Sequence[bytes], tmp_path: Path) -> Path:
    """A folder with a ledger that has folded the first batch."""
    (begun := tmp_path / "begun").mkdir()
    folded(values[:BATCH], begun / "ledger.db")
    return begun


def told_in_a_line(ended: Ended) -> None:
    """It was killed, or it ended well, or it said what is wrong."""
    assert ended.killed or ended.code in (0, 1)
    told = ended.err.splitlines()
    assert ended.killed or ended.code == 0 or (len(told) == 1 and told[0].startswith("error: "))


def resumed(log: Path, ledger: Path, *, told: Sequence[str], digest: str) -> None:
    """Nothing that was committed is gone, and a healthy run to the end gives the same ledger."""
    with LogFile.open(log, writable=False) as opened, Ledger.open(ledger) as found:
        assert found.progress().position >= max(map(int, told), default=-1)
        follower = Follower(opened, found)
        follower.verify_continuity()
        while follower.step(BATCH):
            pass
    assert ledger_digest(ledger) == digest
    examine(log, ledger)


def steps() -> list[str]:
    """The names of the migrations, in order."""
    with closing(sqlite3.connect(":memory:")) as connection:
        return [each.name for each in migrations.pending(Database(connection))]


def assert_never_mixed(ledger: Path) -> None:
    """The tables are those that the migrations it says it has had make."""
    with closing(sqlite3.connect(ledger)) as connection:
        applied = [each.name for each in migrations.applied(Database(connection))]
        found = tables(connection)
    expected = [*steps(), ""]
    assert applied == expected[: len(applied)]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        if len(applied) < len(steps()):
            migrations.apply(Database(connection), stop_before=expected[len(applied)])
        else:
            migrations.apply(Database(connection))
        assert found == tables(connection)


def tables(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Every table and index with its SQL, but for the migrations' own and the views."""
    return connection.execute("""
        select name, sql from sqlite_master
        where type in ('table', 'index', 'trigger') and tbl_name <> '_sqlite_migrations'
        order by name""").fetchall()
