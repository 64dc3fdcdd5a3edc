"""`note`: what is known later is a record of its own, told as later; nothing that was changes."""

from __future__ import annotations

import ctypes
import getpass
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger.cli import run
from ledger.digest import ledger_digest
from ledger.log.sqlite import LogFile
from ledger.model import NOWHERE
from ledger.reader import LocalReader
from ledger.settings import Settings
from tests.installed import installed
from tests.lab.topics import Topics
from tests.line import environment
from tests.recorded import folded
from tests.test_log_contract import fitting_topic, sealed

STREAMS = Path(__file__).parent / "streams"
CANARY = "hunter2-canary"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The demo, installed; left as it is."""
    return installed(STREAMS / "demo.jsonl.zst", tmp_path_factory.mktemp("first") / "data")


@pytest.fixture
def shop(first: Settings, tmp_path: Path) -> Settings:
    """The demo, installed for one test."""
    shutil.copytree(first.data, tmp_path / "data")
    return Settings(tmp_path / "data")


def noted(place: Settings, target: str, revision: str, *words: str, code: int = 0) -> None:
    at = ["-n", "shop", "--data", str(place.data)]
    assert run(["note", target, "--revision", revision, *at, *words]) == code


def consumed(place: Settings) -> None:
    assert run(["consume", "--once", "--data", str(place.data)]) == 0


def rows(place: Settings, question: str, **asked: str) -> list[dict[str, Any]]:
    return LocalReader(place.ledger_path).query(question, asked)


def revision(place: Settings, number: int) -> dict[str, Any]:
    (row,) = [
        row for row in rows(place, "history", namespace="shop", name="web")
        if row["number"] == number
    ]  # fmt: skip
    return row


def test_a_note_is_shown_as_later_and_changes_nothing_else(
    shop: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    before = rows(shop, "history")
    noted(shop, "sts/web", "6", "--ticket", "INC-7", "--approver", "carol", "--message", "by phone")
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "statefulset.apps/web revision 6 noted, record 945"
    assert told[1].startswith("history and show have it as soon as it is folded")
    assert rows(shop, "history") == before
    consumed(shop)
    noted_row = revision(shop, 6)
    assert (noted_row["ticket"], noted_row["ticket_source"]) == ("INC-7", "note")
    assert noted_row["approver"] == "carol"
    same = {"ticket": None, "ticket_source": None, "approver": None}
    assert [row | same for row in rows(shop, "history")] == [row | same for row in before]
    capsys.readouterr()
    assert run(["history", "sts/web", "-n", "shop", "--data", str(shop.data)]) == 0
    (line,) = [li for li in capsys.readouterr().out.splitlines() if li.startswith("6 ")]
    assert "   INC-7 (later)   " in line
    assert run(["show", "sts/web", "-n", "shop", "--revision", "6", "--data", str(shop.data)]) == 0
    shown = capsys.readouterr().out.splitlines()
    said = shown[shown.index("What was said of it, as claimed") + 1 :]
    assert [line.split()[:3] for line in said[0:6:2]] == [
        ["ticket", "later", "INC-7"],
        ["approver", "later", "carol"],
        ["message", "later", "by"],
    ]
    assert said[1].strip().startswith(f"{getpass.getuser()}@")
    assert said[1].endswith(", record 945")


def test_the_newest_note_is_shown_and_none_is_lost(shop: Settings) -> None:
    noted(shop, "sts/web", "6", "--ticket", "INC-7", "--approver", "carol", "--by", "dora")
    noted(shop, "sts/web", "6", "--ticket", "INC-8", "--by", "erik")
    consumed(shop)
    row = revision(shop, 6)
    assert (row["ticket"], row["approver"]) == ("INC-8", "carol")
    asked = {name: str(row[name]) for name in ("workload_uid", "generation", "number")}
    said = rows(shop, "revision_said", **asked, revision_uid=row["revision_uid"])
    assert [(each["role"], each["said"], each["said_by"]) for each in said] == [
        ("ticket", "INC-7", "dora"),
        ("approver", "carol", "dora"),
        ("ticket", "INC-8", "erik"),
    ]
    (change,) = [
        each for each in rows(shop, "changes", name="web")
        if each["number"] == 6
    ]  # fmt: skip
    assert (change["ticket"], change["ticket_source"]) == ("INC-8", "note")


def test_a_ticket_given_with_the_change_is_not_replaced(shop: Settings) -> None:
    consumed(shop)
    with sqlite3.connect(shop.ledger_path) as ledger:
        ledger.execute(
            "update revisions set ticket = 'CHG-1' where number = 6 and workload_uid = "
            "(select uid from workloads where name = 'web')"
        )
    noted(shop, "sts/web", "6", "--ticket", "INC-7")
    consumed(shop)
    row = revision(shop, 6)
    assert (row["ticket"], row["ticket_source"]) == ("CHG-1", "undo")


def test_an_earlier_incarnation_is_named_by_its_uid(
    shop: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--revision", "1", "-n", "data", "--ticket", "CHG-2", "--data", str(shop.data)]
    assert run(["note", "sts/kafka~0ec3", *asked]) == 0
    consumed(shop)
    tickets = {
        row["workload_uid"][:4]: row["ticket"]
        for row in rows(shop, "history", name="kafka", incarnations="all")
        if row["number"] == 1
    }
    assert tickets == {"0ec3": "CHG-2", "1aca": None}
    capsys.readouterr()
    assert run(["note", "sts/kafka~ffff", *asked]) == 3
    told = capsys.readouterr().err.splitlines()
    assert told == [
        'error: statefulsets.apps "kafka~ffff" not found in the ledger',
        "hint: its incarnations are kafka~1aca, kafka~0ec3",
    ]


def test_a_number_used_twice_is_named_by_its_label(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = installed(STREAMS / "tutorial.jsonl.zst", tmp_path / "data")
    db = ["note", "sts/db~75ee", "--ticket", "CHG-3", "--data", str(place.data)]
    assert run([*db, "--revision", "1"]) == 2
    assert "was used 3 times" in capsys.readouterr().err
    assert run([*db, "--revision", "1~b07d"]) == 0
    consumed(place)
    tickets = {
        row["label"]: row["ticket"]
        for row in rows(place, "history", name="db", incarnations="all")
        if row["workload_uid"].startswith("75ee")
    }
    assert tickets == {"1~b07d": "CHG-3", "2": None, "1~8ff3": None, "1~69d3": None}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["sts/web", "--revision", "99", "--ticket", "X"], 3, "revision 99 of shop/web was never"),
        (["sts/wep", "--revision", "1", "--ticket", "X"], 3, 'statefulsets.apps "wep" not found'),
        (["sts/web", "--revision", "1"], 2, "the note is empty"),
        (["sts/web", "--revision", "1", "--ticket", " "], 2, "the note is empty"),
        (["web", "postgres", "--revision", "1", "--ticket", "X"], 2, "2 StatefulSets are meant"),
    ],
)
def test_what_cannot_be_noted_is_refused_and_leaves_the_log_alone(
    words: Sequence[str], code: int, told: str, first: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    head = LocalReader(first.ledger_path, first.log_file).log_head()
    assert run(["note", *words, "-n", "shop", "--data", str(first.data)]) == code
    assert capsys.readouterr().err.startswith(f"error: {told}")
    assert LocalReader(first.ledger_path, first.log_file).log_head() == head


def test_a_note_needs_the_log_of_its_revision(
    first: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["note", "sts/web", "-n", "shop", "--revision", "1", "--ticket", "X"]
    asked += ["--ledger", str(first.ledger_path), "--data", str(tmp_path / "none")]
    assert run(asked) == 1
    assert capsys.readouterr().err.startswith("error: there is no log at ")
    assert not (tmp_path / "none").exists()
    empty = tmp_path / "empty.db"
    LogFile.create(empty).close()
    assert run([*asked, "--log", f"sqlite://{empty}"]) == 1
    assert "the log is empty" in capsys.readouterr().err
    other = installed(STREAMS / "volumes.jsonl.zst", tmp_path / "other")
    assert run([*asked[:-1], str(other.data)]) == 1
    assert "is of cluster" in capsys.readouterr().err


def test_secrets_in_a_note_are_hidden_before_they_are_written(
    shop: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    message = f"rotated: password={CANARY}"
    noted(shop, "sts/web", "6", "--message", message, "--ticket", f"https://u:{CANARY}@x/1")
    consumed(shop)
    (note,) = rows(shop, "revision_said", **_asked(revision(shop, 6)))[-1:]
    assert note["said"].startswith("rotated: password=redacted:")
    capsys.readouterr()
    assert run(["show", "sts/web", "-n", "shop", "--revision", "6", "--data", str(shop.data)]) == 0
    assert "rotated: password=(hidden)" in capsys.readouterr().out
    for file in shop.data.rglob("*"):
        assert file.is_dir() or CANARY.encode() not in file.read_bytes(), file
    with LogFile.open(shop.log_file, writable=False) as log:
        assert CANARY.encode() not in log.get(log.head())


def _asked(row: dict[str, Any]) -> dict[str, str]:
    names = ("workload_uid", "generation", "number", "revision_uid")
    return {name: str(row[name]) for name in names}


def test_a_rebuild_gives_the_same_ledger_however_late_the_note_came(shop: Settings) -> None:
    noted(shop, "sts/web", "12", "--ticket", "INC-7")
    consumed(shop)
    (before,) = rows(shop, "report_scope")
    assert before["as_of"] == "2026-11-23T13:05:55.761654Z"
    digest = ledger_digest(shop.ledger_path)
    assert run(["rebuild", "--data", str(shop.data)]) == 0
    assert ledger_digest(shop.ledger_path) == digest
    assert rows(shop, "report_scope") == [before]


def test_what_was_going_on_is_not_stuck_because_of_a_note(tmp_path: Path) -> None:
    place = installed(STREAMS / "demo.jsonl.zst", tmp_path / "data")
    with LogFile.open(place.log_file, writable=False) as log:
        values = [record.value for record in log.read(NOWHERE, 10_000)]
    half = next(
        count for count in range(len(values) // 2, len(values))
        if "progressing" in _phases(values[:count], tmp_path / f"{count}.db")
    )  # fmt: skip
    noted(place, "sts/web", "3", "--ticket", "INC-7")
    with LogFile.open(place.log_file, writable=False) as log:
        note = log.get(log.head())
    before = _phases(values[:half], tmp_path / "before.db")
    assert _phases([*values[:half], note], tmp_path / "after.db") == before


def _phases(values: Sequence[bytes], path: Path) -> list[str]:
    reader = LocalReader(folded(values, path))
    return [row["phase"] for row in reader.query("rollout_history", {})]


def test_a_folder_that_may_not_be_written_is_told_in_a_line(shop: Settings) -> None:
    for each in (shop.data, *shop.data.rglob("*")):
        each.chmod(0o555 if each.is_dir() else 0o444)
    arguments = ["note", "sts/web", "-n", "shop", "--revision", "1", "--ticket", "X"]
    done = subprocess.run(
        [sys.executable, "-m", "ledger", *arguments, "--data", str(shop.data)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=_bound_by_modes,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 2


def _bound_by_modes() -> None:
    """Root, too, may only do what the modes of files allow: it gives up CAP_DAC_OVERRIDE."""
    drop_from_bounding_set, dac_override = 24, 1
    ctypes.CDLL(None).prctl(drop_from_bounding_set, dac_override)


def test_notes_come_in_while_a_consumer_runs(shop: Settings) -> None:
    command = [sys.executable, "-m", "ledger"]
    at = ["--data", str(shop.data)]
    with subprocess.Popen([*command, "consume", *at], env=environment()) as consumer:
        try:
            running = [
                subprocess.Popen(
                    [*command, "note", "sts/web", "-n", "shop", "--revision", str(number),
                     "--ticket", f"INC-{number}", *at],
                    env=environment(), stdout=subprocess.PIPE, text=True,
                )
                for number in range(1, 7)
            ]  # fmt: skip
            told = [process.communicate(timeout=60)[0] for process in running]
        finally:
            consumer.send_signal(signal.SIGTERM)
            assert consumer.wait(30) == 0
    assert sorted(line.split()[-1] for line in [each.splitlines()[0] for each in told]) == [
        str(position) for position in range(945, 951)
    ]
    tickets = {row["number"]: row["ticket"] for row in rows(shop, "history", name="web")}
    assert {number: tickets[number] for number in range(1, 7)} == {
        number: f"INC-{number}" for number in range(1, 7)
    }
    assert rows(shop, "not_recorded") == []


@pytest.mark.kafka
async def test_a_note_goes_to_the_topic_and_comes_back_into_the_ledger(
    broker: Topics, first: Settings, tmp_path: Path
) -> None:
    from ledger.log.kafka import KafkaLog

    address = await fitting_topic(broker)
    with LogFile.open(first.log_file, writable=False) as file:
        values = [record.value for record in file.read(NOWHERE, 10_000)]
    log = await KafkaLog.open(address)
    try:
        await log.append(sealed(*values))
    finally:
        await log.close()
    shutil.copytree(first.keys, tmp_path / "data" / "keys")
    place = ["--data", str(tmp_path / "data"), "--log", address]

    def ran(*words: str) -> str:
        command = [sys.executable, "-m", "ledger", *words, *place]
        done = subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    ran("consume", "--once")
    noted = ran("note", "sts/web", "-n", "shop", "--revision", "6", "--ticket", "INC-7")
    assert noted.splitlines()[0] == "statefulset.apps/web revision 6 noted, record 945"
    ran("consume", "--once")
    items = json.loads(ran("history", "sts/web", "-n", "shop", "-o", "json"))["items"]
    assert {row["number"]: row["ticket"] for row in items}[6] == "INC-7"
