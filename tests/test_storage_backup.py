"""A backup is made while everything runs, and restored by what docs/backup.md says."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consumers.follow import Follower
from ledger.backup import backup
from ledger.digest import ledger_digest
from ledger.errors import BackupFailed, LogUnusable
from ledger.log.sqlite import LogFile, Origin
from ledger.model import NOWHERE
from ledger.store import Ledger
from tests.disks import log_of, running, small_disk, until
from tests.faults import row
from tests.invariants import examine, values_of_log
from tests.line import environment
from tests.recorded import folded, values_of

NOW = datetime(2026, 11, 23, 16, 30, tzinfo=UTC)
DOCS = Path(__file__).parent.parent / "docs" / "backup.md"

APPENDER = """
import sys, time
from pathlib import Path
from ledger.log.sqlite import LogFile

with LogFile.open(Path(sys.argv[1]), writable=False) as source:
    values = [record.value for record in source.read(-1, 1_000_000)]
with LogFile.open(Path(sys.argv[2]), writable=True) as log:
    for value in values[log.head() + 1 :]:
        print(log.append([value]), flush=True)
        time.sleep(0.02)
"""


@pytest.fixture
def values(tutorial: Path) -> list[bytes]:
    return values_of(tutorial)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def restore(data: Path, made: Path) -> subprocess.CompletedProcess[str]:
    """Do what the docs say, word for word."""
    _, _, after = DOCS.read_text().partition("## Restore")
    found = re.search(r"```sh\n(.*?)```", after, re.DOTALL)
    assert found
    command = f'rollout-ledger() {{ {sys.executable} -m ledger "$@"; }}\n'
    return subprocess.run(
        ["bash", "-euc", command + found[1]],
        env=environment() | {"DATA": str(data), "BACKUP": str(made)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@row("S11", how="backups while one process appends and another folds, then restored", part="real")
def test_s11_a_backup_under_load_is_restored_and_folds_on(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    source, data, made = log_of(values, tmp_path / "source.db"), tmp_path / "data", tmp_path / "b"
    log = log_of(values[:100], data / "log" / "log.db")
    place: list[str | Path] = ["--data", data]
    with (
        running(tmp_path, ["-m", "ledger", "consume", *place]) as consumer,
        running(tmp_path, ["-c", APPENDER, source, log]) as appender,
    ):
        until(lambda: len(appender.said()) > 50 and (data / "ledger" / "ledger.db").exists())
        for _ in range(2):
            with running(tmp_path, ["-m", "ledger", "backup", made, *place]) as made_now:
                assert made_now.running.wait(30) == 0, made_now.told()
        assert appender.running.poll() is None, "the load ended before the backup"
        appender.running.kill()
        assert consumer.stop() == 0
    told = made_now.said()
    assert [line.split()[0] for line in told] == [
        str(made / "log" / "log.db"),
        str(made / "ledger" / "ledger.db"),
        "keys",
    ]
    assert told[2].endswith(f"not copied: keep a copy of {data / 'keys'} apart from these")
    assert files(made) == ["ledger/ledger.db", "log/log.db", "rollout-ledger-backup.json"]
    mark = json.loads((made / "rollout-ledger-backup.json").read_text())
    kept = values_of_log(made / "log" / "log.db")
    assert kept == values[: len(kept)]
    assert mark["files"]["log/log.db"]["position"] == len(kept) - 1
    assert mark["files"]["ledger/ledger.db"]["position"] <= len(kept) - 1
    done = restore(data, made)
    assert (done.returncode, "records folded" in done.stdout) == (0, True), done.stderr
    assert values_of_log(log) == kept
    ledger = data / "ledger" / "ledger.db"
    assert ledger_digest(ledger) == ledger_digest(folded(kept, tmp_path / "calm.db"))
    examine(log, ledger)
    # And it goes on: what the log's writer has next is appended and folded.
    log_goes_on(log, values[len(kept) :])
    fold(log, ledger)
    examine(log, ledger)


@row("S11", how="backup of a topic's archive, no broker anywhere, restored", part="real")
def test_s11_a_restored_archive_is_folded_without_its_broker(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    data, made, elsewhere = tmp_path / "data", tmp_path / "b", tmp_path / "elsewhere"
    log, ledger = data / "log" / "log.db", data / "ledger" / "ledger.db"
    with LogFile.create(log) as archive:
        entries = [(value, Origin("T1", offset)) for offset, value in enumerate(values)]
        archive.archive(entries, head=NOWHERE)
    ledger.parent.mkdir()
    digest = ledger_digest(folded(values, ledger))
    backup(log, ledger, made, now=NOW)
    elsewhere.mkdir()
    done = restore(elsewhere, made)
    assert done.returncode == 0, done.stderr
    assert ledger_digest(elsewhere / "ledger" / "ledger.db") == digest
    with LogFile.open(elsewhere / "log" / "log.db", writable=False) as restored:
        newest = restored.newest()
    assert newest is not None
    assert newest.origin == Origin("T1", len(values) - 1)
    examine(elsewhere / "log" / "log.db", elsewhere / "ledger" / "ledger.db")


@row("S11", how="tmpfs too small for a second copy", part="real")
def test_s11_a_backup_without_room_leaves_the_one_before(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    log = log_of(values, tmp_path / "log.db")
    ledger = folded(values, tmp_path / "ledger.db")
    with small_disk(tmp_path / "disk", 64 * 1024) as disk:
        made = disk.folder / "backup"
        before = backup(log, ledger, made, now=NOW)
        contents = {name: (made / name).read_bytes() for name in files(made)}
        filler = disk.fill()
        with pytest.raises(BackupFailed) as full:
            backup(log, ledger, made, now=NOW)
        assert full.value.message == f"there is no space left for a backup in {made}"
        assert {name: (made / name).read_bytes() for name in files(made)} == contents
        filler.unlink()
        assert backup(log, ledger, made, now=NOW) == before
        examine(made / "log" / "log.db", made / "ledger" / "ledger.db")


def test_a_folder_that_holds_something_else_is_left_as_it_is(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    log = log_of(values[:10], data / "log" / "log.db")
    with pytest.raises(BackupFailed, match="holds something else than a backup") as refused:
        backup(log, data / "ledger" / "ledger.db", data, now=NOW)
    assert "a folder of its own" in refused.value.hint
    assert not (data / "rollout-ledger-backup.json").exists()


def test_a_ledger_of_another_log_is_told_and_the_backup_before_kept(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    log, made = log_of(values[:50], tmp_path / "log.db"), tmp_path / "b"
    backup(log, folded(values[:30], tmp_path / "right.db"), made, now=NOW)
    digest = ledger_digest(made / "ledger" / "ledger.db")
    for name, wrong in (("ahead.db", values[:60]), ("other.db", values[10:40])):
        with pytest.raises(BackupFailed, match="does not hold the record at position"):
            backup(log, folded(wrong, tmp_path / name), made, now=NOW)
    assert ledger_digest(made / "ledger" / "ledger.db") == digest


def test_a_damaged_original_is_told_and_the_backup_before_kept(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    log, ledger, made = tmp_path / "log.db", tmp_path / "ledger.db", tmp_path / "b"
    backup(log_of(values, log), folded(values, ledger), made, now=NOW)
    digest = ledger_digest(made / "ledger" / "ledger.db")
    with ledger.open("r+b") as file:
        file.seek(4096 * 4)
        file.write(b"\xff" * 4096 * 20)
    with pytest.raises(BackupFailed, match=r"ledger.db is damaged: "):
        backup(log, ledger, made, now=NOW)
    assert ledger_digest(made / "ledger" / "ledger.db") == digest


def test_without_a_log_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(LogUnusable, match="there is no log at"):
        backup(tmp_path / "log.db", tmp_path / "ledger.db", tmp_path / "b", now=NOW)


def test_a_log_without_a_ledger_is_backed_up_alone(values: Sequence[bytes], tmp_path: Path) -> None:
    [copied] = backup(
        log_of(values, tmp_path / "log.db"), tmp_path / "none.db", tmp_path / "b", now=NOW
    )
    assert (copied.position, copied.size_bytes) == (
        len(values) - 1,
        (tmp_path / "b" / "log" / "log.db").stat().st_size,
    )


def test_what_was_left_beside_an_earlier_copy_does_not_reach_the_new_one(
    values: Sequence[bytes], tmp_path: Path
) -> None:
    log, made = log_of(values[:50], tmp_path / "log.db"), tmp_path / "b"
    backup(log, tmp_path / "none.db", made, now=NOW)
    looking = sqlite3.connect(made / "log" / "log.db")
    looking.execute("create table notes (note text)")
    log_goes_on(log, values[50:60])
    backup(log, tmp_path / "none.db", made, now=NOW)
    looking.close()
    with closing(sqlite3.connect(made / "log" / "log.db")) as connection:
        assert not connection.execute("select 1 from sqlite_master where name = 'notes'").fetchall()
    assert values_of_log(made / "log" / "log.db") == values[:60]


def log_goes_on(log: Path, values: Sequence[bytes]) -> None:
    with LogFile.open(log, writable=True) as opened:
        opened.append(values)


def fold(log: Path, ledger: Path) -> None:
    with LogFile.open(log, writable=False) as opened, Ledger.open(ledger) as found:
        follower = Follower(opened, found)
        follower.verify_continuity()
        follower.catch_up()
