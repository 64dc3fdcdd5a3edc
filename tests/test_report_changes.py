"""`report changes`: everything that `changes` shows, in files that are the same whoever makes them
again.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from consumers.pinned import fold_until
from ledger.cli import run
from ledger.cli.demo import replayed
from ledger.errors import NotRecorded, UsageError
from ledger.model import Position
from ledger.reader import LocalReader
from ledger.report.bundle import NAMES, files_of
from ledger.report.collect import Period, Report, collect
from ledger.report.rows import FIELDS
from ledger.settings import Settings
from ledger.sql import load
from tests.recorded import Values, folded, values_of
from tests.stories import Story
from tests.test_attribution_fold import Story as States
from tests.test_attribution_fold import intent
from tests.web_ledger import at, opened, written

STREAMS = Path(__file__).parent / "streams"
RECORDINGS = ("demo", "rollouts", "tutorial", "volumes")
PROMISED = (
    "change_id cluster namespace workload workload_uid revision_from revision_to started_at "
    "finished_at duration_s outcome trigger actor actor_source actor_confidence approver ticket "
    "change_cause fields_changed images_before images_after privileged_change undone_by undo_of "
    "event_seq_first event_seq_last template_sha256 evidence_url"
)


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The ledger of each recording."""
    folder = tmp_path_factory.mktemp("recordings")
    return {
        name: folded(values_of(STREAMS / f"{name}.jsonl.zst"), folder / f"{name}.db")
        for name in RECORDINGS
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A data folder with the demo's log and ledger."""
    place = Settings(tmp_path_factory.mktemp("installed"))
    asyncio.run(replayed(place))
    return place


def reported(ledger: Path, since: str = "", until: str = "", namespace: str = "") -> Report:
    return collect(LocalReader(ledger), Period(since, until, namespace))


def made(settings: Settings, folder: Path, *arguments: str, code: int = 0) -> dict[str, bytes]:
    """The files that the command makes."""
    asked = ["report", "changes", "--data", str(settings.data), "--out", str(folder), *arguments]
    assert run(asked) == code
    return {each.name: each.read_bytes() for each in folder.iterdir()} if folder.exists() else {}


def cells(content: bytes) -> list[dict[str, str]]:
    """The rows of a CSV as a spreadsheet reads them."""
    text = io.StringIO(content.decode("utf-8-sig"), newline="")
    return list(csv.DictReader(text, dialect="excel", strict=True))


@pytest.mark.parametrize("name", RECORDINGS)
def test_there_is_one_row_for_each_change_that_changes_shows(
    name: str, ledgers: dict[str, Path]
) -> None:
    whole = LocalReader(ledgers[name]).query("changes", {})
    middle = whole[len(whole) // 2]["at"]
    for since, until in (("", ""), (middle, ""), ("", middle), (middle, middle + "~")):
        shown = LocalReader(ledgers[name]).query("changes", {"since": since, "until": until})
        changes = [row for row in shown if row["what"] != "gap"]
        rows = reported(ledgers[name], since, until).rows
        assert changes
        assert sorted(row["change_id"] for row in rows) == sorted(r["change_id"] for r in changes)
        same = ("at", "workload", "generation", "summary", "actor", "ticket", "change_cause")
        told = {row["change_id"]: [row[column] for column in same] for row in rows}
        assert told == {row["change_id"]: [row[column] for column in same] for row in changes}
        assert len(told) == len(rows)
        assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)


def test_what_was_once_reported_keeps_its_id(lesson: Story, rollouts: Story) -> None:
    for story in (lesson, rollouts):
        last = {row["change_id"] for row in reported(story.ledger()).rows}
        for step in list(story.chapters)[::6]:
            rows = reported(story.ledger(step)).rows
            assert {row["change_id"] for row in rows} <= last, step


def test_the_fields_that_assessors_ask_for_are_there(ledgers: dict[str, Path]) -> None:
    assert set(PROMISED.split()) <= set(FIELDS)
    rows = {
        (row["workload"], row["revision_to"]): row
        for row in reported(ledgers["demo"]).rows
        if row["namespace"] == "shop" and row["revision_to"]
    }
    bad, healed = rows["web", 6], rows["web", 7]
    assert bad["workload_uid"] == healed["workload_uid"]
    assert (bad["trigger"], bad["revision_from"], bad["outcome"], bad["undone_by"]) == (
        "change", 5, "undone", 7,
    )  # fmt: skip
    assert (bad["images_before"], bad["images_after"]) == (
        "web=shop/web:2.4.2",
        "web=shop/web:2.5.0-bad",
    )
    assert (bad["fields_changed"], bad["privileged_change"]) == ("containers[web].image", "image")
    assert 0 < bad["undone_after_s"] < 3600
    assert bad["exceptions"] == "undone within an hour, no ticket"
    assert (healed["trigger"], healed["undo_of"]) == ("undo", 5)
    assert healed["change_cause"] == "INC-2038: 2.5.0 was never pushed, back to 2.4.2"
    assert (healed["actor"], healed["actor_source"], healed["actor_confidence"]) == (
        "bob@example.com",
        "audit",
        "exact",
    )
    assert (healed["response_code"], healed["source_addresses"]) == (200, "127.0.0.1")
    assert healed["event_seq_first"] < healed["record"] <= healed["event_seq_last"]
    assert healed["duration_s"] == pytest.approx(30, abs=5)
    sidecar = rows["web", 8]
    assert sidecar["privileged_change"] == "image"
    assert "containers[linkerd-proxy]" in sidecar["fields_changed"]


def test_commit_and_pipeline_are_those_of_the_very_write(tmp_path: Path) -> None:
    told = States()
    told.state(1)
    told.state(2, commit="5f3c0de", pipeline="https://ci.example.com/41", ticket="CHG-2")
    told.state(3, commit="5f3c0de", pipeline="https://ci.example.com/42", approver="dave")
    told.state(4, commit="5f3c0de", pipeline="https://ci.example.com/42")
    report = reported(folded(told.values, tmp_path / "ledger.db"))
    names = ("generation", "commit_id", "pipeline", "ticket", "approver")
    assert [tuple(row[name] for name in names) for row in report.rows] == [
        (2, "5f3c0de", "https://ci.example.com/41", "CHG-2", None),
        (3, None, "https://ci.example.com/42", None, "dave"),
        (4, None, None, None, None),
    ]
    page = files_of(report)["report.html"].content.decode()
    assert "commit 5f3c0de" in page
    assert "https://ci.example.com/42" in page


@pytest.mark.parametrize("ticket", ["", "CHG-1"])
def test_a_ticket_that_our_undo_was_told_says_so_whatever_else_is_said_with_it(
    ticket: str, tmp_path: Path
) -> None:
    told, annotated = States(), {"ticket": ticket} if ticket else {}
    told.state(1)
    told.state(2)
    told.state(3, undo=intent(2, ticket="CHG-9"), **annotated)
    (_, row) = reported(folded(told.values, tmp_path / "ledger.db")).rows
    assert (row["trigger"], row["ticket"], row["ticket_source"]) == ("spec", "CHG-9", "undo")


def test_a_change_costs_the_same_however_many_its_workload_has_had(tmp_path: Path) -> None:
    def steps(count: int) -> int:
        """How many hundred steps SQLite takes to tell of a workload's changes."""
        revisions = [
            {"number": each, "generation": each, "template_id": 1, "observed_at": at(each % 60)}
            for each in range(1, count + 1)
        ]
        path, taken = written(tmp_path / f"{count}.db", revisions), 0

        def count_one() -> int:
            nonlocal taken
            taken += 1
            return 0

        with opened(path) as connection:
            connection.set_progress_handler(count_one, 100)
            asked = dict.fromkeys(load("report_changes").parameters, "")
            assert len(connection.execute(load("report_changes").sql, asked).fetchall()) == count
        return taken

    assert steps(800) < 5 * steps(200)


def test_an_evidence_url_is_a_page_of_the_ledger(ledgers: dict[str, Path]) -> None:
    reader = LocalReader(ledgers["demo"])
    with sqlite3.connect(ledgers["demo"]) as connection:
        for row in reported(ledgers["demo"]).rows:
            page, _, asked = row["evidence_url"].partition("?")
            if asked:
                parameters = dict(each.split("=") for each in asked.split("&"))
                found = reader.query(page, parameters)
                assert found[0]["actor"] == row["actor"]
            else:
                table, _, key = page.partition("/")
                statement = f"select count(*) from {table} where position = ?"
                assert connection.execute(statement, (key,)).fetchone() == (1,)


def test_the_manifest_says_what_the_files_hold(installed: Settings, tmp_path: Path) -> None:
    files = made(installed, tmp_path / "out", "--since", "2026-11-23T12:54:00Z", "-n", "shop")
    manifest = json.loads(files["manifest.json"])
    assert set(files) == set(NAMES) == {*manifest["files"], "manifest.json"}
    for name, told in manifest["files"].items():
        assert told["sha256"] == hashlib.sha256(files[name]).hexdigest()
        assert told["bytes"] == len(files[name])
    assert manifest["period"] == {"since": "2026-11-23T12:54:00.000000Z", "until": None}
    assert manifest["filters"] == {"namespace": "shop"}
    assert manifest["log"]["records"] == manifest["log"]["position"] + 1 == 945
    rows = cells(files["changes.csv"])
    assert manifest["changes"] == len(rows) == manifest["files"]["changes.csv"]["rows"]
    assert sum(manifest["by_basis"].values()) == len(rows)
    assert {row["namespace"] for row in rows} == {"shop"}
    looked_at = cells(files["exceptions.csv"])
    assert manifest["files"]["exceptions.csv"]["rows"] == len(looked_at)
    assert manifest["exceptions"]["undone within an hour"] == sum(
        "undone within an hour" in row["exceptions"] for row in looked_at
    )
    assert {row["kind"] for row in manifest["coverage"]} >= {"statefulsets", "pods"}
    assert min(row["began_at"] for row in manifest["coverage"]) == "2026-11-23T12:54:00.000000Z"
    assert (manifest["policies"], manifest["signatures"]) == ([], [])


def test_a_spreadsheet_reads_what_the_json_lines_say(installed: Settings, tmp_path: Path) -> None:
    files = made(installed, tmp_path / "out")
    assert files["changes.csv"].startswith(b"\xef\xbb\xbfchange_id,cluster,")
    assert files["changes.csv"].count(b"\r\n") == files["changes.csv"].count(b"\n")
    told = [json.loads(line) for line in files["changes.jsonl"].decode().splitlines()]
    rows = cells(files["changes.csv"])
    assert rows == [
        {name: "" if row[name] is None else str(row[name]) for name in FIELDS} for row in told
    ]
    assert all(isinstance(row["duration_s"], float | None) for row in told)
    looked_at = cells(files["exceptions.csv"])
    assert looked_at[0]["exceptions"].count(",") >= looked_at[-1]["exceptions"].count(",")
    assert all(row in rows for row in looked_at)


def test_the_same_ledger_gives_the_same_bytes_again_and_rebuilt(
    installed: Settings, tmp_path: Path
) -> None:
    first = made(installed, tmp_path / "first")
    assert made(installed, tmp_path / "second") == first
    assert made(installed, tmp_path / "second") == first
    assert run(["rebuild", "--data", str(installed.data)]) == 0
    assert made(installed, tmp_path / "rebuilt") == first
    assert made(installed, tmp_path / "pinned", "--at-position", "944") == first


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_position_gives_the_same_bytes_when_the_log_has_grown(name: str, tmp_path: Path) -> None:
    values = values_of(STREAMS / f"{name}.jsonl.zst")
    for position in (len(values) // 3, len(values) * 2 // 3):
        then = folded(values[: position + 1], tmp_path / f"then-{position}.db", batch=7)
        pinned = tmp_path / f"pinned-{position}.db"
        fold_until(Values(values), Position(position), pinned)
        assert files_of(reported(pinned)) == files_of(reported(then))
    with pytest.raises(NotRecorded, match="no record at position"):
        fold_until(Values(values), Position(len(values)), tmp_path / "ahead.db")
    assert not (tmp_path / "ahead.db").exists()


def test_a_later_note_changes_the_report_but_not_the_pinned_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Settings(tmp_path / "data")
    asyncio.run(replayed(place))
    before = made(place, tmp_path / "before")
    assert run(
        ["note", "sts/web", "-n", "shop", "--revision", "6", "--ticket", "INC-7",
         "--approver", "Bob@example.com", "--message", "=1+1", "--data", str(place.data)]
    ) == 0  # fmt: skip
    assert run(["consume", "--once", "--data", str(place.data)]) == 0
    after = made(place, tmp_path / "after")
    assert made(place, tmp_path / "pinned", "--at-position", "944") == before
    told = {row["change_id"]: row for row in cells(after["changes.csv"])}
    (changed,) = [row for row in told.values() if row["ticket"]]
    assert (changed["ticket"], changed["ticket_source"]) == ("INC-7", "note")
    assert (changed["approver"], changed["approver_source"]) == ("Bob@example.com", "note")
    assert changed["exceptions"] == "approved by its actor, undone within an hour"
    assert changed["notes"].endswith(": ticket INC-7 approver Bob@example.com =1+1")
    same = set(FIELDS) - {"ticket", "ticket_source", "approver", "approver_source"}
    for row in cells(before["changes.csv"]):
        others = (
            same if row["change_id"] != changed["change_id"] else same - {"notes", "exceptions"}
        )
        assert {name: row[name] for name in others} == {
            name: told[row["change_id"]][name] for name in others
        }
    before_log, after_log = (json.loads(x["manifest.json"])["log"] for x in (before, after))
    assert (before_log["as_of"], before_log["position"] + 1) == (
        after_log["as_of"],
        after_log["position"],
    )
    assert "(later)" in after["report.html"].decode()
    capsys.readouterr()


def test_the_queries_run_as_they_are_and_answer_the_same(
    installed: Settings, tmp_path: Path
) -> None:
    asked = ("--since", "2026-11-23T12:54:00Z", "--until", "2026-11-23T13:02:00Z", "-n", "shop")
    text = made(installed, tmp_path / "out", *asked)["queries.sql"].decode()
    report = reported(
        installed.ledger_path, "2026-11-23T12:54:00.000000Z", "2026-11-23T13:02:00.000000Z", "shop"
    )
    answers: list[list[dict[str, Any]]] = []
    with sqlite3.connect(installed.ledger_path) as connection:
        connection.row_factory = sqlite3.Row
        statements = [each for each in text.split(";\n") if each.strip()]
        answers += [[dict(row) for row in connection.execute(each)] for each in statements]
    scope, changes, gaps, coverage = answers
    assert scope == [report.scope]
    assert [row["change_id"] for row in changes] == [row["change_id"] for row in report.rows]
    assert (gaps, coverage) == (list(report.gaps), list(report.coverage))


def test_a_period_must_end_after_it_begins(
    installed: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for since, until in (("1d", "7d"), ("2026-11-23T12:54:00Z", "2026-11-23T12:54:00Z")):
        made(installed, tmp_path / "out", "--since", since, "--until", until, code=2)
        told = capsys.readouterr().err.splitlines()
        assert told[0].startswith("error: the period ends (")
        assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError):
        reported(installed.ledger_path, "b", "a")


def test_a_period_in_which_nothing_happened_is_a_report_too(
    installed: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = made(installed, tmp_path / "early", "--until", "2026-01-01T00:00:00Z")
    manifest = json.loads(files["manifest.json"])
    assert (manifest["changes"], manifest["coverage"]) == (0, [])
    assert cells(files["changes.csv"]) == []
    assert "StatefulSets were not watched in this period" in files["report.html"].decode()
    assert capsys.readouterr().err == ""
    made(installed, tmp_path / "nowhere", "-n", "nowhere")
    assert capsys.readouterr().err == "warning: nothing of namespace nowhere is recorded\n"


def test_a_relative_period_is_told_as_the_moment_it_was(
    installed: Settings, tmp_path: Path
) -> None:
    files = made(installed, tmp_path / "out", "--since", "520w")
    period = json.loads(files["manifest.json"])["period"]
    assert period["since"].startswith("2016-")
    assert made(installed, tmp_path / "again", "--since", period["since"]) == files


def test_a_position_needs_the_log(
    installed: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alone = ["--ledger", str(installed.ledger_path), "--at-position", "900"]
    made(installed, tmp_path / "out", *alone, code=3)
    assert "which is not at hand" in capsys.readouterr().err
    made(installed, tmp_path / "out", "--at-position", "945", code=3)
    assert "the log holds no record at position 945" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
