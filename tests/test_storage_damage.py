"""Damaged, cut and mixed-up files: noticed, told in a line, and made whole from the log."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from ledger.cli import run
from ledger.digest import ledger_digest
from ledger.disk import SQLITE_TOLD
from ledger.errors import LedgerError
from ledger.log.sqlite import LogFile
from ledger.troubles import checked
from tests.disks import consume, log_of, running, until
from tests.faults import row
from tests.invariants import examine, values_of_log
from tests.line import environment
from tests.recorded import folded, values_of

PLACES = 20
PAGE_BYTES = 4096


@pytest.fixture(scope="module")
def values(tutorial: Path) -> list[bytes]:
    return values_of(tutorial)[:500]


def command(name: str, data: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ledger", name, "--data", str(data), *more],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment() | {"KUBECONFIG": "/nowhere"},
        check=False,
    )


def in_one_line(done: subprocess.CompletedProcess[str]) -> bool:
    """It ended well, or with one line of error and at most a hint."""
    told = done.stderr.splitlines()
    if done.returncode == 0:
        return not told
    return (
        done.returncode == 1
        and len(told) <= 2
        and told[0].startswith("error: ")
        and "internal" not in told[0]
        and all(line.startswith("hint: ") for line in told[1:])
    )


def here(
    capsys: pytest.CaptureFixture[str], name: str, data: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    """As `command`, in this process: twenty times four starts of Python would take minutes."""
    code = run([name, "--data", str(data), *more])
    said = capsys.readouterr()
    return subprocess.CompletedProcess([name], code, said.out, said.err)


@row("S1", how="a byte flipped or a page zeroed at 20 seeded places of ledger.db", part="real")
@pytest.mark.parametrize("place", range(PLACES))
def test_s01_a_damaged_ledger_is_told_and_rebuilt_to_the_same_digest(
    place: int,
    values: Sequence[bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(SQLITE_TOLD, "1")
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    log = log_of(values, tmp_path / "log" / "log.db")
    ledger = tmp_path / "ledger" / "ledger.db"
    ledger.parent.mkdir()
    folded(values[:350], ledger)
    damage(ledger, random.Random(place), zeroed=place % 2 == 0, first_page=place < 2)
    is_noticeable = integrity(ledger) != "ok"
    examined = here(capsys, "doctor", tmp_path, "--context", "none")
    assert examined.stderr == ""
    told = "FAILED    ledger " in examined.stdout
    consumed = here(capsys, "consume", tmp_path, "--once")
    assert in_one_line(consumed), consumed.stderr
    # What SQLite does not find lies inside a value: only the tree can tell (S2).
    assert told or consumed.returncode == 1 or not is_noticeable, examined.stdout
    rebuilt = here(capsys, "rebuild", tmp_path)
    if place < 2 and rebuilt.returncode:
        # Its first page says whose file it is: without it nothing is overwritten.
        assert in_one_line(rebuilt), rebuilt.stderr
        ledger.unlink()
        rebuilt = here(capsys, "rebuild", tmp_path)
    assert (rebuilt.returncode, rebuilt.stderr) == (0, "")
    assert ledger_digest(ledger) == ledger_digest(folded(values, tmp_path / "calm.db"))
    examine(log, ledger)


def integrity(ledger: Path) -> str:
    """What SQLite itself says of the file."""
    uri = f"{ledger.as_uri()}?immutable=1"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        return checked(connection, "integrity_check")


def damage(path: Path, dice: random.Random, *, zeroed: bool, first_page: bool) -> None:
    """Flip one byte, or zero one page."""
    content = bytearray(path.read_bytes())
    page = 0 if first_page else dice.randrange(1, len(content) // PAGE_BYTES)
    if zeroed:
        content[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = bytes(PAGE_BYTES)
    else:
        at = page * PAGE_BYTES + dice.randrange(100 if first_page else PAGE_BYTES)
        content[at] ^= 0xFF
    path.write_bytes(content)


def killed_appender(log: Path, source: Path, folder: Path) -> None:
    """A process that appends all of `source` and is killed with everything in its WAL."""
    script = """
import sys, time
from pathlib import Path
from ledger.log.sqlite import LogFile
with LogFile.open(Path(sys.argv[1]), writable=False) as source:
    values = [record.value for record in source.read(-1, 1_000_000)]
log = LogFile.open(Path(sys.argv[2]), writable=True)
log._connection.execute("pragma wal_autocheckpoint = 0")
log.append(values[log.head() + 1 :])
print("appended", flush=True)
time.sleep(60)
"""
    with running(folder, ["-c", script, source, log]) as appender:
        until(appender.said)
        appender.running.send_signal(signal.SIGKILL)


@pytest.fixture
def killed(values: Sequence[bytes], tmp_path: Path) -> Path:
    """A data folder whose appender was killed with the last records in the log's WAL, and whose
    ledger was folded from them all.
    """
    source = log_of(values, tmp_path / "source.db")
    data = tmp_path / "data"
    log = log_of(values[:300], data / "log" / "log.db")
    killed_appender(log, source, tmp_path)
    (data / "ledger").mkdir()
    shutil.copytree(data / "log", tmp_path / "hot")
    assert command("consume", data, "--once").returncode == 0
    # Closing the last reader left the WAL, since a reader may not take it over.
    assert (data / "log" / "log.db-wal").stat().st_size > 0
    return data


def refused(data: Path) -> None:
    done = command("consume", data, "--once")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        f"error: {data / 'log' / 'log.db'} ends at record 299, but record 498 was read from it"
    )


@row("S8", how="log.db-wal removed after its writer was killed", part="real")
def test_s08_a_log_that_lost_its_wal_is_noticed_and_healed_by_putting_it_back(
    killed: Path, tmp_path: Path
) -> None:
    for suffix in ("-wal", "-shm"):
        (killed / "log" / f"log.db{suffix}").unlink()
    refused(killed)
    shutil.rmtree(killed / "log")
    shutil.copytree(tmp_path / "hot", killed / "log")
    assert command("consume", killed, "--once").returncode == 0
    examine(killed / "log" / "log.db", killed / "ledger" / "ledger.db")


@row("S8", how="log.db copied without its WAL while a writer has it open", part="real")
def test_s08_a_hot_copy_without_its_wal_is_noticed(killed: Path, tmp_path: Path) -> None:
    shutil.rmtree(killed / "log")
    (killed / "log").mkdir()
    shutil.copy(tmp_path / "hot" / "log.db", killed / "log" / "log.db")
    refused(killed)
    # The ledger moved away, what the copy does hold is folded.
    shutil.rmtree(killed / "ledger")
    assert command("consume", killed, "--once").returncode == 0
    assert len(values_of_log(killed / "log" / "log.db")) == 300
    examine(killed / "log" / "log.db", killed / "ledger" / "ledger.db")


@row("S8", how="log.db-shm and ledger.db-shm overwritten with random bytes", part="real")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_s08_a_corrupt_shm_is_made_anew(
    seed: int, killed: Path, values: Sequence[bytes], tmp_path: Path
) -> None:
    digest = ledger_digest(folded(values, tmp_path / "calm.db"))
    noise = random.Random(seed).randbytes(32768)
    (killed / "log" / "log.db-shm").write_bytes(noise)
    (killed / "ledger" / "ledger.db-shm").write_bytes(noise)
    done = command("consume", killed, "--once")
    assert (done.returncode, done.stderr) == (0, "")
    assert values_of_log(killed / "log" / "log.db") == values
    assert ledger_digest(killed / "ledger" / "ledger.db") == digest
    examine(killed / "log" / "log.db", killed / "ledger" / "ledger.db")


@row("S8", how="ledger.db replaced by an older copy of itself", part="real")
def test_s08_a_ledger_rolled_back_to_an_old_copy_folds_on_to_the_same_digest(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    log = log_of(values, tmp_path / "log" / "log.db")
    ledger = tmp_path / "ledger" / "ledger.db"
    ledger.parent.mkdir()
    folded(values[:250], ledger)
    shutil.copy(ledger, tmp_path / "old.db")
    assert command("consume", tmp_path, "--once").returncode == 0
    digest = ledger_digest(ledger)
    shutil.copy(tmp_path / "old.db", ledger)
    done = command("consume", tmp_path, "--once")
    assert (done.returncode, done.stdout.split()[0]) == (0, str(len(values) - 250))
    assert ledger_digest(ledger) == digest
    examine(log, ledger)


@row("S8", how="log.db replaced by an older copy under a running consumer", part="real")
def test_s08_a_log_that_shrank_under_a_running_consumer_ends_it_with_one_line(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    log = log_of(values, tmp_path / "log" / "log.db")
    ledger = tmp_path / "ledger.db"
    with running(tmp_path, consume(log, ledger)) as consumer:
        until(lambda: ledger.exists() and position(ledger) == len(values) - 1)
        with closing(sqlite3.connect(log, isolation_level=None)) as connection:
            connection.execute("drop trigger records_are_not_deleted")
            connection.execute("delete from records where position >= 400")
        assert consumer.running.wait(10) == 1
        assert consumer.told()[0] == (
            f"error: {log} ends at record 399, but record {len(values) - 1} was read from it"
        )
    assert len(values_of_log(log)) == 400
    examine(values, ledger)


def position(ledger: Path) -> int:
    with closing(sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            found = connection.execute("select next_position from progress").fetchone()
        except sqlite3.OperationalError:
            return -2
    return int(found[0]) - 1


def test_a_damaged_log_is_told_in_one_line(values: Sequence[bytes], tmp_path: Path) -> None:
    log = log_of(values, tmp_path / "log" / "log.db")
    content = bytearray(log.read_bytes())
    for page in range(3, len(content) // PAGE_BYTES, 3):
        content[page * PAGE_BYTES : page * PAGE_BYTES + 8] = b"\xff" * 8
    log.write_bytes(content)
    done = command("consume", tmp_path, "--once")
    assert in_one_line(done)
    assert done.returncode == 1
    with pytest.raises(LedgerError), LogFile.open(log, writable=False) as opened:
        opened.read(-1, 1_000)  # type: ignore[arg-type]
