"""A full disk under the ledger, the log, a rebuild and a backup: told, survived, nothing lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from consumers.follow import Follower
from ledger.digest import ledger_digest
from ledger.errors import LedgerUnwritable
from ledger.log.sqlite import LogFile
from ledger.store import Ledger
from tests.disks import consume, log_of, running, small_disk, until
from tests.faults import row
from tests.invariants import examine, values_of_log
from tests.recorded import Values, folded, values_of

SMALL, LARGE = 2048, 64 * 1024
"""KiB: too little for the ledger of the recording, and plenty."""

APPENDER = """
import sys, time
from pathlib import Path
from ledger.errors import LogUnreachable
from ledger.log.sqlite import LogFile

source = LogFile.open(Path(sys.argv[1]), writable=False)
values = [record.value for record in source.read(-1, 1_000_000)]
with LogFile.create(Path(sys.argv[2])) as log:
    for start in range(0, len(values), 20):
        while True:
            try:
                print("appended", log.append(values[start : start + 20]), flush=True)
                break
            except LogUnreachable as wrong:
                print("refused", wrong.message, flush=True)
                time.sleep(0.1)
"""


@pytest.fixture
def values(tutorial: Path) -> list[bytes]:
    return values_of(tutorial)


def full(path: Path) -> str:
    hint = "nothing is lost: folding goes on by itself when there is space again"
    return f"there is no space left for {path}; {hint}"


def position(ledger: Path) -> int:
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute("select next_position from progress").fetchone()[0]) - 1


@row("C3", how="tmpfs of 2 MiB that fills while a consume process folds, then grows", part="real")
def test_c03_a_consumer_lives_through_a_full_disk_and_goes_on_by_itself(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    log = log_of(values[:100], tmp_path / "log.db")
    with small_disk(tmp_path / "disk", SMALL) as disk:
        ledger = disk.folder / "ledger.db"
        folded(values[:50], ledger)
        with running(tmp_path, consume(log, ledger)) as consumer:
            until(lambda: position(ledger) == 99)
            disk.fill()
            append(log, values[100:])
            until(lambda: consumer.told() or consumer.running.poll() is not None)
            assert consumer.told() == [f"warning: {full(ledger)}"]
            assert (position(ledger), consumer.running.poll()) == (99, None)
            disk.resize(LARGE)
            until(lambda: position(ledger) == len(values) - 1)
            assert consumer.stop() == 0
            assert consumer.told()[1:] == ["note: folding goes on"]
        assert ledger_digest(ledger) == ledger_digest(folded(values, tmp_path / "calm.db"))
        examine(log, ledger)


@row("C3", how="full tmpfs from the start, for consume and consume --once", part="real")
def test_c03_a_consumer_that_finds_the_disk_full_waits_and_with_once_says_so_and_ends(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    log = log_of(values, tmp_path / "log.db")
    with small_disk(tmp_path / "disk", SMALL) as disk:
        ledger = disk.folder / "ledger.db"
        filler = disk.fill()
        with running(tmp_path, consume(log, ledger, "--once")) as once:
            assert once.running.wait(30) == 1
            assert once.told() == [
                f"error: there is no space left for {ledger}",
                "hint: nothing is lost: folding goes on by itself when there is space again",
            ]
        with running(tmp_path, consume(log, ledger)) as stopped:
            until(stopped.told)
            assert stopped.stop() == 0
        with running(tmp_path, consume(log, ledger)) as consumer:
            until(consumer.told)
            filler.unlink()
            disk.resize(LARGE)
            until(lambda: len(consumer.told()) > 1)
            until(lambda: position(ledger) == len(values) - 1)
            assert consumer.stop() == 0
        examine(log, ledger)


@row("C3", how="pragma max_page_count on the ledger's connection", part="real")
def test_c03_a_batch_that_finds_no_space_is_folded_whole_later(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    with Ledger.open(tmp_path / "l.db") as ledger:
        follower = Follower(Values(values), ledger)
        follower.step(100)
        ledger._connection.execute("pragma max_page_count = 1")
        before = ledger.progress()
        with pytest.raises(LedgerUnwritable) as full:
            follower.catch_up()
        assert full.value.message == f"there is no space left for {tmp_path / 'l.db'}"
        assert (full.value.retriable, ledger.progress().position) == (True, before.position)
        ledger._connection.execute("pragma max_page_count = 1000000")
        follower.catch_up()
    assert ledger_digest(tmp_path / "l.db") == ledger_digest(folded(values, tmp_path / "calm.db"))
    examine(values, tmp_path / "l.db")


@row("W34", how="tmpfs of 300 KiB that fills while a process appends, then grows", part="real")
def test_w34_an_appender_acknowledges_nothing_that_a_full_disk_did_not_keep(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    source = log_of(values, tmp_path / "source.db")
    with small_disk(tmp_path / "disk", 300) as disk:
        log = disk.folder / "log.db"
        with running(tmp_path, ["-c", APPENDER, source, log]) as appender:
            until(lambda: any("refused" in line for line in appender.said()))
            refused = [line for line in appender.said() if "refused" in line]
            assert refused[0] == f"refused there is no space left for {log}"
            disk.resize(LARGE)
            assert appender.running.wait(60) == 0, appender.told()
            assert appender.said()[-1] == f"appended {len(values) - 1}"
        assert values_of_log(log) == values
        examine(log)


def test_a_rebuild_without_room_leaves_the_ledger_as_it_was(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    log = log_of(values, tmp_path / "log.db")
    with small_disk(tmp_path / "disk", LARGE) as disk:
        ledger = disk.folder / "ledger.db"
        before = ledger_digest(folded(values, ledger))
        filler = disk.fill()
        rebuild = consume(log, ledger)
        rebuild[2] = "rebuild"
        with running(tmp_path, rebuild) as refused:
            assert refused.running.wait(60) == 1
            assert len(refused.told()) == 2
            assert refused.told()[0].startswith("error: there is no space left for ")
            assert refused.told()[1].startswith("hint: the ledger is as it was: make room ")
        assert ledger_digest(ledger) == before
        assert [path.name for path in disk.folder.glob("*rebuild*")] == []
        filler.unlink()
        with running(tmp_path, rebuild) as rebuilt:
            assert rebuilt.running.wait(60) == 0, rebuilt.told()
            assert rebuilt.said()[1] == f"digest {before} (the same as before)"


def append(log: Path, values: Sequence[bytes]) -> None:
    with LogFile.open(log, writable=True) as opened:
        opened.append(values)
