"""Exactly once, whatever happens to the consumer; the same digest however often it is folded."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from consumers.follow import Follower
from consumers.rebuild import rebuild
from ledger.digest import ledger_digest
from ledger.errors import LedgerBusy, LedgerUnusable, LogTruncated, OtherCluster
from ledger.log.sqlite import LogFile
from ledger.model import NOWHERE
from ledger.store import Ledger
from tests.cases import case
from tests.faults import row
from tests.invariants import examine
from tests.recorded import Values, folded, values_of

ROOT = Path(__file__).parent.parent
FOLD = """
import sys
from pathlib import Path
from consumers.follow import Follower
from ledger.log.sqlite import LogFile
from ledger.store import Ledger
log = LogFile.open(Path(sys.argv[1]), writable=False)
with log, Ledger.open(Path(sys.argv[2])) as ledger:
    follower = Follower(log, ledger)
    while follower.step(20):
        pass
"""


@pytest.fixture
def log_file(tutorial: Path, tmp_path: Path) -> Path:
    path = tmp_path / "log.db"
    with LogFile.create(path) as log:
        log.append(values_of(tutorial))
    return path


@row("C1", how="SIGKILL at random moments, eight times", part="real")
def test_c01_a_consumer_killed_at_random_moments_folds_every_record_once(
    log_file: Path, tmp_path: Path
) -> None:
    dice, path = random.Random(4), tmp_path / "killed.db"
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", FOLD, log_file, path], cwd=ROOT)
        time.sleep(dice.uniform(0.2, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run([sys.executable, "-c", FOLD, log_file, path], cwd=ROOT, check=True)
    with LogFile.open(log_file, writable=False) as log:
        values = [record.value for record in log.read(NOWHERE, 1_000_000)]
    assert ledger_digest(path) == ledger_digest(folded(values, tmp_path / "calm.db", batch=20))
    examine(values, path)


@case(73, stream="recorded")
def test_rebuilding_gives_the_same_digest(log_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "ledger" / "ledger.db"
    with LogFile.open(log_file, writable=False) as log:
        with Ledger.open(path) as ledger:
            Follower(log, ledger).catch_up()
        before = ledger_digest(path)
        done = rebuild(log, path)
    assert (done.digest_before, done.digest_after) == (before, before)
    assert sorted(p.name for p in path.parent.iterdir() if "rebuild" in p.name) == []


def test_a_rebuild_shows_a_reader_the_ledger_whole(log_file: Path, tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "ledger" / "ledger.db"
    with LogFile.open(log_file, writable=False) as log:
        with Ledger.open(path) as ledger:
            Follower(log, ledger).catch_up()
        reader = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        count = reader.execute("select count(*) from revisions").fetchone()
        rebuild(log, path)
        assert reader.execute("select count(*) from revisions").fetchone() == count
        reader.close()


def test_a_damaged_ledger_is_set_aside_and_folded_again(log_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "ledger" / "ledger.db"
    path.parent.mkdir()
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    with LogFile.open(log_file, writable=False) as log:
        done = rebuild(log, path)
    assert done.digest_before == ""
    assert [p.name.startswith("ledger.db.damaged-") for p in path.parent.glob("*damaged*")] == [
        True
    ]


def test_a_ledger_has_one_writer(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "l.db"):
        with pytest.raises(LedgerBusy, match="another process is writing") as busy:
            Ledger.open(tmp_path / "l.db")
        assert "one writer" in busy.value.hint


def test_a_foreign_database_is_left_as_it_was(tmp_path: Path) -> None:
    import sqlite3

    with sqlite3.connect(tmp_path / "notes.db") as connection:
        connection.execute("create table notes (text)")
    connection.close()
    before = (tmp_path / "notes.db").read_bytes()
    with pytest.raises(LedgerUnusable, match="is not a Rollout Ledger ledger"):
        Ledger.open(tmp_path / "notes.db")
    assert (tmp_path / "notes.db").read_bytes() == before


def test_a_log_that_was_cut_or_replaced_is_noticed(
    tutorial: Path, demo: Path, tmp_path: Path
) -> None:
    values = values_of(tutorial)
    with Ledger.open(tmp_path / "l.db") as ledger:
        Follower(Values(values), ledger).catch_up()
        Follower(Values(values), ledger).verify_continuity()
        with pytest.raises(LogTruncated, match="does not hold the record"):
            Follower(Values(values[:-5]), ledger).verify_continuity()
        with pytest.raises(LogTruncated, match="does not hold the record"):
            Follower(Values([*values[:-1], values[0]]), ledger).verify_continuity()
        with pytest.raises(OtherCluster, match="the log is of cluster"):
            Follower(Values(values_of(demo)), ledger).verify_continuity()
