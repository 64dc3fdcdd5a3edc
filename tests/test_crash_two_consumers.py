"""Two consumers of one ledger: one folds, the other ends; and one that slept is told so."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from consumers.follow import Follower
from ledger.digest import ledger_digest
from ledger.errors import LedgerBusy
from ledger.log.sqlite import LogFile
from ledger.model import Position, Record
from ledger.store import Ledger
from tests.disks import consume, log_of, running, until
from tests.faults import row
from tests.invariants import examine
from tests.recorded import Values, folded, values_of

ENDS_WITHIN_SECONDS = 5


@pytest.fixture(scope="module")
def values(tutorial: Path) -> list[bytes]:
    return values_of(tutorial)[:400]


@pytest.fixture
def log(values: Sequence[bytes], tmp_path: Path) -> Path:
    return log_of(values[:300], tmp_path / "log.db")


def position(ledger: Path) -> int:
    """The last folded record; -2 while there is no ledger."""
    if not ledger.exists():
        return -2
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
        if not connection.execute("select 1 from sqlite_master where name = 'progress'").fetchall():
            return -2
        return int(connection.execute("select next_position from progress").fetchone()[0]) - 1


def append(log: Path, values: Sequence[bytes]) -> None:
    with LogFile.open(log, writable=True) as opened:
        opened.append(values)


def refusal(ledger: Path) -> list[str]:
    return [
        f"error: another process is writing {ledger}",
        "hint: a ledger has one writer: stop the other `consume` or `serve` first",
    ]


@row("C4", how="a second consume process on the same ledger", part="real")
def test_c04_the_second_consumer_of_a_ledger_ends_with_one_line_and_the_first_goes_on(
    log: Path, values: Sequence[bytes], tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.db"
    with running(tmp_path, consume(log, ledger)) as first:
        until(lambda: position(ledger) == 299)
        with running(tmp_path, consume(log, ledger)) as second:
            assert second.running.wait(ENDS_WITHIN_SECONDS) == 1
            assert second.told() == refusal(ledger)
        append(log, values[300:])
        until(lambda: position(ledger) == 399)
        assert (first.stop(), first.told()) == (0, [])
    assert ledger_digest(ledger) == ledger_digest(folded(values, tmp_path / "calm.db"))
    examine(log, ledger)


@row("C5", how="SIGSTOP to a consume process, a second one started, SIGCONT", part="real")
def test_c05_a_consumer_that_slept_kept_its_ledger_and_folds_nothing_twice(
    log: Path, values: Sequence[bytes], tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.db"
    with running(tmp_path, consume(log, ledger)) as first:
        until(lambda: position(ledger) == 299)
        first.running.send_signal(signal.SIGSTOP)
        append(log, values[300:])
        with running(tmp_path, consume(log, ledger)) as second:
            assert second.running.wait(ENDS_WITHIN_SECONDS) == 1
            assert second.told() == refusal(ledger)
        assert position(ledger) == 299
        first.running.send_signal(signal.SIGCONT)
        until(lambda: position(ledger) == 399)
        assert (first.stop(), first.told()) == (0, [])
    assert ledger_digest(ledger) == ledger_digest(folded(values, tmp_path / "calm.db"))
    examine(log, ledger)


@row("C5", how="SIGSTOP, the lock file deleted, a second consume folds, SIGCONT", part="real")
def test_c05_a_consumer_that_was_overtaken_while_it_slept_ends_and_writes_nothing(
    log: Path, values: Sequence[bytes], tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger.db"
    with running(tmp_path, consume(log, ledger)) as stale:
        until(lambda: position(ledger) == 299)
        stale.running.send_signal(signal.SIGSTOP)
        (tmp_path / "ledger.db.lock").unlink()
        append(log, values[300:])
        with running(tmp_path, consume(log, ledger, "--once")) as second:
            assert second.running.wait(30) == 0, second.told()
        stale.running.send_signal(signal.SIGCONT)
        assert stale.running.wait(ENDS_WITHIN_SECONDS) == 1
        assert stale.told()[0] == f"error: another process has written {ledger} meanwhile"
    assert ledger_digest(ledger) == ledger_digest(folded(values, tmp_path / "calm.db"))
    examine(log, ledger)


class Interrupted(Values):
    """A log in whose read another writer comes between."""

    def __init__(self, values: Sequence[bytes], between: Ledger) -> None:
        super().__init__(values)
        self._between: Ledger | None = between

    def read(self, after: Position, limit: int) -> list[Record]:
        records = super().read(after, limit)
        if self._between is not None:
            other, self._between = self._between, None
            Follower(Values([record.value for record in records]), other).step(limit)
        return records


@row("C5", how="a second writer commits between a batch's read and its commit", part="real")
def test_c05_the_first_commit_of_a_stale_writer_changes_no_row(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    with Ledger.open(tmp_path / "l.db") as stale:
        (tmp_path / "l.db.lock").unlink()
        with Ledger.open(tmp_path / "l.db") as fresh:
            with pytest.raises(LedgerBusy, match="another process has written"):
                Follower(Interrupted(values[:50], fresh), stale).step()
            assert fresh.progress().position == 49
    examine(values[:50], tmp_path / "l.db")
