"""`import`: old audit logs name who changed what was recorded, and tell of what nobody watched."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ledger.audit.file import LINE_BYTES
from ledger.cli import run
from ledger.reader import LocalReader
from ledger.settings import Settings
from tests.authors import authors, recorded_changes, told
from tests.fake_api import CLUSTER
from tests.installed import installed
from tests.lab.recording import STREAMS, read_recording
from tests.normal_form import normal_form
from tests.test_audit_webhook import event

WRITERS = STREAMS / "writers.jsonl.zst"


def raw_events() -> list[bytes]:
    """The audit log of the recorded writers, a line each."""
    found = read_recording(WRITERS)
    return [line["raw"].encode() for line in found if line["op"] == "audit"]


def framed(data: bytes) -> bytes:
    """Three frames, the last of them empty, as `cat a.zst b.zst` makes of several files."""
    whole, half = zstandard.ZstdCompressor(), len(data) // 2
    return b"".join(map(whole.compress, (data[:half], data[half:], b"")))


def members(data: bytes) -> bytes:
    """The same of gzip."""
    half = len(data) // 2
    return b"".join(map(gzip.compress, (data[:half], data[half:], b"")))


def as_it_is(data: bytes) -> bytes:
    return data


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The recorded writers as a watcher without an audit log recorded them; left as it is."""
    folder = tmp_path_factory.mktemp("watched")
    lines = [line for line in read_recording(WRITERS) if line["op"] != "audit"]
    recording = folder / "silent.jsonl.zst"
    text = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    recording.write_bytes(zstandard.ZstdCompressor().compress(text))
    return installed(recording, folder / "data")


@pytest.fixture
def place(watched: Settings, tmp_path: Path) -> Settings:
    """The same, for one test."""
    shutil.copytree(watched.data, tmp_path / "data")
    return Settings(tmp_path / "data")


@pytest.fixture
def nobody(tmp_path: Path) -> Settings:
    """A place where nothing was ever recorded."""
    return Settings(tmp_path / "data")


def imported(place: Settings, *files: Path, code: int = 0, cluster: str = "") -> None:
    """Import files and fold the log."""
    named = ["--cluster-id", cluster] if cluster else []
    assert run(["import", *map(str, files), *named, "--data", str(place.data)]) == code
    assert run(["consume", "--once", "--data", str(place.data)]) == 0


def lines_of(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


def rows(place: Settings, question: str, **asked: str) -> list[dict[str, Any]]:
    return LocalReader(place.ledger_path).query(question, asked)


def actions(place: Settings) -> list[Any]:
    """The audited requests that the ledger has."""
    return normal_form(place.ledger_path, times=True)["actions"]


@pytest.mark.parametrize("packed", [as_it_is, members, framed])
def test_the_authors_of_what_was_watched_come_with_an_old_audit_log(
    place: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    packed: Callable[[bytes], bytes],
) -> None:
    # What a file is, its first bytes say and not its name.
    (tmp_path / "audit.log").write_bytes(packed(b"\n".join(raw_events())))
    expected = recorded_changes(WRITERS)
    before = told(authors(place.ledger_path), expected)
    assert not any(before.by_basis[basis] for basis in ("exact", "strong", "probable"))
    imported(place, tmp_path / "audit.log")
    count = len(raw_events())
    kept = len(actions(place))
    said = capsys.readouterr().out.splitlines()[0]
    assert said == (
        f"{kept} writes imported, {count - kept} events are about other things, 0 could not be read"
    )
    result = told(authors(place.ledger_path), expected)
    assert (result.wrong, result.unnamed) == ([], [])
    assert result.by_basis["exact"] == len(expected) - 2
    assert result.by_basis["probable"] == 2


def test_a_file_that_is_imported_twice_changes_nothing(place: Settings, tmp_path: Path) -> None:
    (tmp_path / "audit.log").write_bytes(b"\n".join(raw_events()))
    imported(place, tmp_path / "audit.log")
    once = normal_form(place.ledger_path, times=True)
    assert once["actions"]
    shutil.copy(tmp_path / "audit.log", tmp_path / "copy.log")
    imported(place, tmp_path / "audit.log", tmp_path / "copy.log")
    assert normal_form(place.ledger_path, times=True) == once


def test_what_cannot_be_read_is_counted_and_the_rest_imported(
    place: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, other = lines_of(event()), lines_of(event(verb="get"))
    garbage = b"not json\n\xff\xfe\n{}\n[]\n" + good[:80] + b"\n"
    too_long = b"x" * (LINE_BYTES + 1) + b"\n"
    (tmp_path / "a.log").write_bytes(garbage + good + too_long + other + b"\n  \n")
    # Without a newline at its end.
    (tmp_path / "b.log").write_bytes(lines_of(event()).strip())
    before = len(actions(place))
    imported(place, tmp_path / "a.log", tmp_path / "b.log")
    said = capsys.readouterr().out.splitlines()[0]
    assert said == ("2 writes imported, 1 events are about other things, 6 could not be read")
    assert len(actions(place)) == before + 2


def test_what_is_no_audit_log_is_an_error(
    place: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.log").write_text("one\ntwo\n")
    imported(place, tmp_path / "a.log", code=1)
    error = capsys.readouterr().err.splitlines()
    assert error[0] == "error: no audit event among 2 lines"
    assert error[1].startswith("hint: give files that the API server has written")


@pytest.mark.parametrize("packed", [gzip.compress, zstandard.ZstdCompressor().compress])
def test_of_a_file_that_was_cut_off_what_came_before_is_kept(
    place: Settings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    packed: Callable[[bytes], bytes],
) -> None:
    # Ids do not compress, so the cut is in the middle of the lines.
    whole = packed(lines_of(*(event() for _ in range(20_000))))
    (tmp_path / "first.log").write_bytes(lines_of(event()))
    (tmp_path / "cut.log").write_bytes(whole[: len(whole) // 2])
    before = len(actions(place))
    imported(place, tmp_path / "first.log", tmp_path / "cut.log", code=1)
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 2
    assert error[0].startswith(f"error: {tmp_path / 'cut.log'} cannot be read to its end: ")
    assert error[1] == "hint: what came before is imported; import it again when it is mended"
    assert before + 1_000 < len(actions(place)) < before + 20_001
    (tmp_path / "cut.log").write_bytes(whole)
    imported(place, tmp_path / "cut.log")
    assert len(actions(place)) == before + 20_001


def test_nothing_is_imported_when_one_of_the_files_is_not_there(
    place: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.log").write_bytes(lines_of(event()))
    before = actions(place)
    imported(place, tmp_path / "a.log", tmp_path / "b.log", code=1)
    error = capsys.readouterr().err
    assert error.startswith(f"error: {tmp_path / 'b.log'} cannot be read: No such file")
    assert actions(place) == before


def test_an_empty_log_must_be_told_its_cluster(
    nobody: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.log").write_bytes(lines_of(event()))
    assert run(["import", str(tmp_path / "a.log"), "--data", str(nobody.data)]) == 1
    error = capsys.readouterr().err.splitlines()
    assert error == [
        "error: the log is empty, so nobody knows which cluster this is",
        "hint: name it with --cluster-id: the uid of namespace kube-system",
    ]
    imported(nobody, tmp_path / "a.log", cluster=CLUSTER)
    assert len(actions(nobody)) == 1
    # Now it is known.
    imported(nobody, tmp_path / "a.log")


def test_another_clusters_audit_log_is_refused(
    place: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.log").write_bytes(lines_of(event()))
    before = actions(place)
    imported(place, tmp_path / "a.log", code=1, cluster="another")
    assert len(capsys.readouterr().err.splitlines()) == 2
    assert actions(place) == before


def answered(verb: str, generation: int, second: int, **other: Any) -> dict[str, Any]:
    """A request of an hour that nobody watched, and the answer to it."""
    code = 201 if verb == "create" else 200
    metadata = {"uid": "u-1", "resourceVersion": str(100 + second), "generation": generation}
    return event(
        level="RequestResponse",
        verb=verb,
        # Whoever asks may choose it: one for all.
        auditID="00000000-0000-0000-0000-000000000000",
        responseStatus={"code": code},
        responseObject={"kind": "StatefulSet", "metadata": metadata},
        requestReceivedTimestamp=f"2026-01-01T10:00:{second:02}.000000Z",
        stageTimestamp=f"2026-01-01T10:00:{second:02}.100000Z",
        **other,
    )


def test_what_nobody_watched_is_told_and_marked(
    nobody: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_bob = {"user": {"username": "bob"}, "impersonatedUser": {"username": "carol"}}
    (tmp_path / "old.log").write_bytes(
        lines_of(
            answered("create", 1, 1),
            answered("patch", 2, 2, **by_bob),
            # It changes nothing, so nothing is told of it.
            answered("patch", 2, 3),
            # Nor of what was only tried, or refused.
            answered("patch", 3, 4, requestURI="/apis?dryRun=All"),
            event(verb="delete", responseStatus={"code": 403}),
            answered("delete", 2, 5),
        )
    )
    imported(nobody, tmp_path / "old.log", cluster=CLUSTER)
    found = rows(nobody, "changes")
    assert len({row["change_id"] for row in found}) == 3
    told_of = [
        (row["what"], row["summary"], row["actor"], row["impersonated"], row["basis"])
        for row in found
    ]
    suffix = "of a time that nobody watched"
    assert sorted(told_of, key=str) == sorted(
        [
            ("imported", f"create {suffix}", "alice", None, "exact"),
            ("imported", f"patch {suffix}", "bob", "carol", "probable"),
            ("imported", f"delete {suffix}", "alice", None, "probable"),
        ],
        key=str,
    )
    capsys.readouterr()
    assert run(["changes", "-A", "--data", str(nobody.data)]) == 0
    shown = capsys.readouterr().out
    assert shown.count(suffix) == 3
    assert "bob as carol" in shown
