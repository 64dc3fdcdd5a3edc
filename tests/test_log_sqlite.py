"""log.db: recognised, append-only, and whole after whatever happens to its process or disk."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.errors import LedgerError, LogTruncated, LogUnreachable, LogUnusable, PoisonRecord
from ledger.log import open_log
from ledger.log.compression import TRAINING_RECORDS
from ledger.log.schema import create
from ledger.log.sqlite import LogFile, Origin
from ledger.model import NOWHERE, Position, Record
from tests.consuming import numbered_state
from tests.faults import row
from tests.invariants import examine

KILLS = 6
"""How many moments of an append are tried; the acceptance runs sweep every system call."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the test's log is, or will be."""
    return tmp_path / "data" / "log" / "log.db"


@pytest.fixture
def log(path: Path) -> Iterator[LogFile]:
    """An empty log."""
    with LogFile.create(path) as made:
        yield made


def records(log: LogFile) -> list[Record]:
    """Everything in the log."""
    found: list[Record] = []
    while more := log.read(found[-1].position if found else NOWHERE, 500):
        found += more
    return found


def numbered(values: list[bytes]) -> list[Record]:
    """The records that the values are when they are a log's first."""
    return [Record(Position(number), value) for number, value in enumerate(values)]


def alike(count: int, *, seed: int = 1) -> list[bytes]:
    """Documents that share their form and little else, as a cluster's objects do."""
    chance = random.Random(seed)
    return [
        b'{"data":{"kind":"Pod","metadata":{"name":"web-%d","namespace":"team-%d","uid":"%016x"},'
        b'"spec":{"containers":[{"image":"registry.example/web:1.%d","name":"web","ports":['
        b'{"containerPort":%d}]}]},"status":{"phase":"Running","podIP":"10.0.%d.%d"}}}'
        % (
            chance.randrange(250),
            chance.randrange(250),
            chance.getrandbits(64),
            *chance.choices(range(250), k=4),
        )
        for _ in range(count)
    ]


def other_program(path: Path) -> sqlite3.Connection:
    """The file in the hands of something that knows nothing of us."""
    return sqlite3.connect(path, isolation_level=None)


def told(wrong: LedgerError) -> tuple[str, str]:
    """What the user reads."""
    return wrong.message, wrong.hint


def test_a_log_is_made_with_its_folders_and_is_its_owners_alone(path: Path) -> None:
    with LogFile.create(path) as log:
        log.append([b"one"])
        modes = {each.name: oct(each.stat().st_mode & 0o777) for each in path.parent.iterdir()}
    assert modes == {"log.db": "0o600", "log.db-shm": "0o600", "log.db-wal": "0o600"}


def test_a_log_that_is_there_is_opened_and_kept(path: Path) -> None:
    with LogFile.create(path) as log:
        log.append([b"one"])
    with LogFile.create(path) as again:
        assert again.append([b"two"]) == 1
        assert records(again) == numbered([b"one", b"two"])


async def test_its_address_names_the_file(path: Path) -> None:
    await (await open_log(f"sqlite://{path}")).close()
    assert path.exists()


def test_a_reader_sees_what_a_writer_appends_and_cannot_append(log: LogFile, path: Path) -> None:
    with LogFile.open(path, writable=False) as reader:
        log.append([b"one"])
        assert records(reader) == numbered([b"one"])
        assert reader.head() == 0
        with pytest.raises(LogUnusable, match="readonly"):
            reader.append([b"two"])


def test_a_log_that_is_not_there_is_told(path: Path) -> None:
    with pytest.raises(LogUnusable) as wrong:
        LogFile.open(path, writable=False)
    assert told(wrong.value) == (
        f"there is no log at {path}",
        "`rollout-ledger serve` or `watch` makes one; name another with --log or --data",
    )


def test_a_folder_is_told(tmp_path: Path) -> None:
    for opened in (LogFile.create, lambda path: LogFile.open(path, writable=True)):
        with pytest.raises(LogUnusable) as wrong:
            opened(tmp_path)
        assert told(wrong.value) == (
            f"{tmp_path} is a folder, not a Rollout Ledger log",
            "the address names the file: sqlite:///path/log.db",
        )


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    path = tmp_path / "file" / "log.db"
    with pytest.raises(LogUnusable) as wrong:
        LogFile.create(path)
    assert told(wrong.value) == (
        f"no file can be made in {path.parent}: File exists",
        "run as the user who owns the folder, or choose another with --data or --log",
    )


@pytest.mark.parametrize("form", ["not SQLite", "another database", "nothing"])
def test_a_foreign_file_is_told_and_left_as_it_was(tmp_path: Path, form: str) -> None:
    path = tmp_path / "some.db"
    if form == "another database":
        with other_program(path) as foreign:
            foreign.execute("create table records (position integer primary key, value blob)")
        foreign.close()
    else:
        path.write_bytes(b"" if form == "nothing" else b"a diary\n" * 1_000)
    before = path.read_bytes()
    for opened in (LogFile.create, lambda path: LogFile.open(path, writable=True)):
        with pytest.raises(LogUnusable) as wrong:
            opened(path)
        assert told(wrong.value) == (
            f"{path} is not a Rollout Ledger log",
            "it was left as it was; name another file with --log or another folder with --data",
        )
    assert path.read_bytes() == before


def test_a_log_of_a_newer_release_is_told(log: LogFile, path: Path) -> None:
    log.close()
    with other_program(path) as newer:
        newer.execute("pragma user_version = 2")
    newer.close()
    with pytest.raises(LogUnusable) as wrong:
        LogFile.create(path)
    assert told(wrong.value) == (
        f"{path} was written by a newer release (log format 2, known is 1)",
        "upgrade rollout-ledger here too",
    )


@pytest.mark.parametrize(
    "statement",
    [
        "update records set value = x'00' where position = 1",
        "delete from records where position = 1",
        "insert or replace into records (position, value) values (1, x'00')",
        "insert or ignore into records (position, value) values (1, x'00')",
        "insert into records (position, value) values (1, '') on conflict do update set value = ''",
        "insert into records (position, value) values (9, x'00')",
        "insert into records (position, value) values (-1, x'00')",
        "insert into records (value) values (x'00')",
        "update dictionaries set content = x'00'",
        "delete from dictionaries",
        "insert or replace into dictionaries values (1, x'00', '')",
    ],
)
def test_what_is_recorded_cannot_be_changed_by_mistake(
    log: LogFile, path: Path, statement: str
) -> None:
    values = alike(TRAINING_RECORDS)
    log.append(values)
    with pytest.raises(sqlite3.IntegrityError):
        other_program(path).execute(statement)
    assert records(log) == numbered(values)


def test_records_shrink_once_a_dictionary_is_trained_and_older_rows_stay_as_they_are(
    log: LogFile, path: Path
) -> None:
    values = alike(TRAINING_RECORDS + 500)
    with LogFile.open(path, writable=False) as reader, LogFile.open(path, writable=True) as writer:
        log.append(values[: TRAINING_RECORDS - 1])
        log.append(values[TRAINING_RECORDS - 1 : TRAINING_RECORDS])
        log.append(values[TRAINING_RECORDS:-1])
        writer.append(values[-1:])
        assert records(reader) == records(writer) == records(log) == numbered(values)
    rows = other_program(path).execute(
        "select dictionary, count(*), avg(length(value)) from records group by 1 order by 1"
    )
    (plain, before, wide), (trained, after, narrow) = rows
    # The other writer learns of the dictionary behind its first record.
    assert (plain, before, trained, after) == (None, TRAINING_RECORDS + 1, 1, 499)
    assert narrow < wide / 2


def test_records_that_have_nothing_in_common_are_kept_without_a_dictionary(log: LogFile) -> None:
    values = [b""] * (TRAINING_RECORDS + 10)
    log.append(values)
    log.append([b"more"])
    assert records(log) == numbered([*values, b"more"])


@pytest.mark.parametrize("at", [5, TRAINING_RECORDS + 5])
def test_a_damaged_record_is_handed_over_as_it_is_and_the_next_are_read(
    log: LogFile, path: Path, at: int
) -> None:
    values = alike(TRAINING_RECORDS + 10)
    log.append(values[:TRAINING_RECORDS])
    log.append(values[TRAINING_RECORDS:])
    frame = tamper(path, "select value from records where position = ?", at)
    expected = numbered(values)
    found = records(log)
    assert found[at].damage.startswith("its stored bytes are damaged: ")
    assert (found[at].position, found[at].value) == (at, frame)
    assert found[:at] + found[at + 1 :] == expected[:at] + expected[at + 1 :]
    with pytest.raises(PoisonRecord, match=f"record {at} cannot be read: its stored bytes are"):
        log.get(Position(at))
    assert log.get(Position(at + 1)) == values[at + 1]


def tamper(path: Path, query: str, at: int) -> bytes:
    """Flip a bit in the middle of a stored value, as a failing disk would; what is stored then."""
    with other_program(path) as disk:
        (frame,) = disk.execute(query, (at,)).fetchone()
        flipped = bytearray(frame)
        flipped[len(frame) // 2] ^= 1
        disk.execute("drop trigger records_are_not_updated")
        disk.execute("update records set value = ? where position = ?", (bytes(flipped), at))
    disk.close()
    return bytes(flipped)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update dictionaries set content = x'00'", "its dictionary 1 is damaged"),
        ("delete from dictionaries", "its dictionary 1 is missing"),
    ],
)
def test_without_its_dictionary_a_record_is_handed_over_as_it_is(
    log: LogFile, path: Path, statement: str, reason: str
) -> None:
    values = alike(TRAINING_RECORDS + 2)
    log.append(values[:TRAINING_RECORDS])
    log.append(values[TRAINING_RECORDS:])
    with other_program(path) as disk:
        disk.execute("drop trigger dictionaries_are_not_updated")
        disk.execute("drop trigger dictionaries_are_not_deleted")
        disk.execute(statement)
    disk.close()
    with LogFile.open(path, writable=True) as again:
        assert [each.damage for each in records(again)] == [""] * TRAINING_RECORDS + [reason] * 2
        again.append([b"later"])
        assert again.get(Position(TRAINING_RECORDS + 2)) == b"later"


def test_a_frame_that_claims_a_monstrous_size_is_given_no_memory(log: LogFile, path: Path) -> None:
    log.append([b"one"])
    monstrous = bytes.fromhex("28b52ffd e0 ffffffffffff0000 010000")
    with other_program(path) as disk:
        disk.execute("drop trigger records_are_not_updated")
        disk.execute("update records set value = ?", (monstrous,))
    disk.close()
    damage = "its stored bytes are damaged: no record has that size"
    assert records(log) == [Record(Position(0), monstrous, damage)]


def test_a_missing_record_is_told_and_not_skipped(log: LogFile, path: Path) -> None:
    log.append([b"0", b"1", b"2", b"3"])
    with other_program(path) as disk:
        disk.execute("drop trigger records_are_not_deleted")
        disk.execute("delete from records where position = 2")
    disk.close()
    assert log.read(NOWHERE, 10) == numbered([b"0", b"1"])
    with pytest.raises(LogTruncated, match=f"record 2 is missing from {path}"):
        log.read(Position(1), 10)
    with pytest.raises(LogTruncated, match=f"record 2 is not in {path}"):
        log.get(Position(2))


def test_huge_records_are_read_a_few_at_a_time(log: LogFile) -> None:
    values = [bytes([number]) * 7_000_000 for number in range(5)]
    log.append(values)
    assert len(log.read(NOWHERE, 500)) == 3
    assert records(log) == numbered(values)


@row("W34", how="pragma max_page_count on the log's connection", part="real")
def test_w34_a_full_disk_is_told_keeps_nothing_by_halves_and_is_got_over(path: Path) -> None:
    connection = create(path)
    connection.execute("pragma max_page_count = 40")
    noise = [random.Random(number).randbytes(10_000).hex() for number in range(20)]
    values = [numbered_state(number, text=text) for number, text in enumerate(noise)]
    with LogFile(path, connection) as log:
        log.append(values[:2])
        with pytest.raises(LogUnreachable) as wrong:
            log.append(values[2:])
        assert told(wrong.value) == (
            f"there is no space left for {path}",
            "nothing is lost: recording goes on by itself when there is space again",
        )
        assert records(log) == numbered(values[:2])
        connection.execute("pragma max_page_count = 4000")
        assert log.append(values[2:]) == 19
        assert records(log) == numbered(values)
    examine(path)


def test_another_process_that_holds_the_file_is_told(path: Path) -> None:
    connection = create(path)
    connection.execute("pragma busy_timeout = 50")
    with LogFile(path, connection) as log:
        holder = other_program(path)
        holder.execute("begin immediate")
        with pytest.raises(LogUnreachable) as wrong:
            log.append([b"one"])
        assert wrong.value.message == f"another process has kept {path} locked for 5 s"
        holder.execute("rollback")
        assert log.append([b"one"]) == 0


def program(text: str, *arguments: object) -> subprocess.Popen[str]:
    """Python of its own, for what must be killed or must run beside us."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


APPENDER = """
    import sys
    from pathlib import Path
    from ledger.log.sqlite import LogFile

    path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    with LogFile.create(path) as log:
        for start in range(0, count, 10):
            batch = range(start, start + 10)
            log.append([b"%s%d" % (name.encode(), n) + b"x" * 300 for n in batch])
            print(start + 10, flush=True)
"""


def test_processes_that_start_and_append_together_share_one_log(path: Path) -> None:
    running = [program(APPENDER, path, name, 300) for name in "abc"]
    assert [each.wait(60) for each in running] == [0, 0, 0]
    with LogFile.open(path, writable=False) as log:
        found = records(log)
    assert [each.position for each in found] == list(range(900))
    for name in b"abc":
        mine = [each.value for each in found if each.value[0] == name]
        assert mine == [b"%c%d" % (name, n) + b"x" * 300 for n in range(300)]
    for each in running:
        each.communicate()


def test_a_killed_appender_leaves_whole_batches_and_all_that_it_acknowledged(path: Path) -> None:
    chance = random.Random(67250)
    total = 0
    for _ in range(KILLS):
        running = program(APPENDER, path, "k", 1_000_000)
        assert running.stdout
        running.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.15))
        running.kill()
        acknowledged = [10, *(int(line) for line in running.communicate()[0].split("\n")[:-1])]
        with LogFile.open(path, writable=True) as log:
            found = records(log)[total:]
        assert len(found) % 10 == 0
        assert len(found) >= acknowledged[-1]
        assert [each.value[:-300] for each in found] == [b"k%d" % n for n in range(len(found))]
        total += len(found)
    assert other_program(path).execute("pragma integrity_check").fetchone() == ("ok",)


def test_an_archive_keeps_where_its_records_came_from(log: LogFile) -> None:
    assert log.newest() is None
    log.archive([(b"a", Origin("T1", 7)), (b"b", Origin("T1", 8))], head=NOWHERE)
    newest = log.newest()
    assert newest
    assert (newest.record, newest.origin) == (Record(Position(1), b"b"), Origin("T1", 8))
    log.archive([(b"gap", Origin("T2", None, resumes_at=3))], head=Position(1))
    newest = log.newest()
    assert newest
    assert newest.origin == Origin("T2", None, resumes_at=3)
    assert records(log) == numbered([b"a", b"b", b"gap"])


def test_an_archive_has_one_writer(log: LogFile, path: Path) -> None:
    with LogFile.open(path, writable=True) as other:
        other.archive([(b"a", Origin("T", 0))], head=NOWHERE)
        with pytest.raises(LogUnusable) as wrong:
            log.archive([(b"a", Origin("T", 0))], head=NOWHERE)
    assert told(wrong.value) == (
        f"another process archives into {path}",
        "an archive has one writer: stop the other `consume` first",
    )
    assert records(log) == numbered([b"a"])


def test_an_archive_is_no_embedded_log_and_an_embedded_log_no_archive(tmp_path: Path) -> None:
    with LogFile.create(tmp_path / "archive.db") as archive:
        archive.archive([(b"a", Origin("T", 0))], head=NOWHERE)
        with pytest.raises(LogUnusable, match="is the archive of a Kafka topic"):
            archive.append([b"b"])
    with LogFile.create(tmp_path / "embedded.db") as embedded:
        embedded.append([b"a"])
        with pytest.raises(LogUnusable, match="is an embedded log, not the archive of a Kafka"):
            embedded.archive([(b"b", Origin("T", 0))], head=Position(0))
        with pytest.raises(LogUnusable, match="is an embedded log, not the archive of a Kafka"):
            embedded.newest()
