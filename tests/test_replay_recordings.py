"""A recording goes down the same line as a live cluster."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ledger.envelope import Document, parse
from ledger.errors import LogUnusable
from ledger.log.memory import MemoryLog
from ledger.model import KIND_BY_PLURAL, NOWHERE, timestamp
from ledger.observe import Stream
from ledger.replay import Replayed, read_recording, replay
from tests.fake_api import CLUSTER, answering, saying
from tests.recorded import values_of
from tests.watching import documents, gaps, observer, serving, told, watching

STREAMS = Path(__file__).parent / "streams"
FACTS = ("listed", "state", "deleted")
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = {
    "op": "header",
    "format": 1,
    "kubernetes": "v1.37.2",
    "cluster": CLUSTER,
    "began_at": timestamp(BEGAN),
}


def line(seconds: float, op: str, stream: str = "", raw: Any = "") -> dict[str, Any]:
    """A line of a recording."""
    raw = raw if isinstance(raw, str) else json.dumps(raw)
    at = timestamp(BEGAN + timedelta(seconds=seconds))
    return {"at": at, "op": op, "stream": stream, "raw": raw}


def pod(version: int, name: str = "web-0") -> dict[str, Any]:
    """A pod of ours."""
    metadata = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "labels": {"statefulset.kubernetes.io/pod-name": name},
    }
    return {"metadata": metadata}


def listed(version: int, *items: dict[str, Any]) -> dict[str, Any]:
    """A list."""
    return {"metadata": {"resourceVersion": str(version)}, "items": list(items)}


def recording(folder: Path, *lines: object) -> Path:
    """A recording of these lines."""
    text = "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines)
    path = folder / "made.jsonl.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(text.encode()))
    return path


async def replayed(path: Path) -> tuple[Replayed, MemoryLog]:
    """What a replay did, and the log it made."""
    log = MemoryLog()
    return await replay(path, log, lambda cluster: observer(cluster=cluster)), log


@pytest.mark.parametrize("name", ["tutorial", "demo"])
def test_everything_that_was_recorded_is_told_at_its_time(name: str) -> None:
    path = STREAMS / f"{name}.jsonl.zst"
    expected: Counter[tuple[str, str, str]] = Counter()
    for each in read_recording(path)[1]:
        at = timestamp(each.at)
        if each.op == "list":
            items = json.loads(each.raw)["items"]
            expected.update(("listed", row["metadata"]["resourceVersion"], at) for row in items)
        elif each.op == "watch" and (raw := json.loads(each.raw))["type"] != "BOOKMARK":
            fact = "deleted" if raw["type"] == "DELETED" else "state"
            expected[fact, raw["object"]["metadata"]["resourceVersion"], at] += 1
    rows = [parse(value) for value in values_of(path)]
    told_of = Counter(
        ("listed" if row.snapshot else row.fact, row.resourceversion, row.time)
        for row in rows
        if row.fact in ("state", "deleted")
    )
    assert told_of == expected
    assert not [row for row in rows if row.fact == "gap"]


@pytest.mark.parametrize("name", ["tutorial", "demo"])
def test_a_recording_has_the_coverage_of_a_live_watch(name: str) -> None:
    path = STREAMS / f"{name}.jsonl.zst"
    header, lines = read_recording(path)
    *_, end = lines
    rows = [parse(value) for value in values_of(path)]
    marks = Counter(row.data["mark"] for row in rows if row.fact == "coverage")
    beats = int((end.at - datetime.fromisoformat(header["began_at"])).total_seconds() // 15)
    assert marks == {
        "stream-start": 6,
        "snapshot-begin": 6,
        "snapshot-end": 6,
        "heartbeat": beats,
        "stream-stop": 6,
    }
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    assert [row.time for row in rows] == sorted(row.time for row in rows)
    assert all(entry["state"] == "live" for row in rows for entry in _entries(row)[:6])


def _entries(row: Document) -> list[dict[str, Any]]:
    return row.data.get("streams", []) if row.fact == "coverage" else []


async def test_a_replay_gives_the_same_bytes_every_time() -> None:
    path = STREAMS / "tutorial.jsonl.zst"
    _, one = await replayed(path)
    _, two = await replayed(path)
    assert await one.read(NOWHERE, 100_000) == await two.read(NOWHERE, 100_000)


async def test_a_replay_says_what_it_did() -> None:
    path = STREAMS / "tutorial.jsonl.zst"
    header, lines = read_recording(path)
    rows = list(lines)
    did, log = await replayed(path)
    assert did == Replayed(
        len(rows), await log.head() + 1, datetime.fromisoformat(header["began_at"]), rows[-1].at
    )


async def test_a_live_watch_of_the_same_bytes_gives_the_same_states(tmp_path: Path) -> None:
    path = STREAMS / "tutorial.jsonl.zst"
    lists: dict[str, str] = {}
    lines: dict[str, list[bytes]] = {}
    for each in read_recording(path)[1]:
        if each.op == "list":
            lists[each.stream] = each.raw
        elif each.op == "watch":
            lines.setdefault(each.stream, []).append(each.raw.encode() + b"\n")
    async with serving(tmp_path) as (api, cluster):
        for plural, raw in lists.items():
            api.faults["list", plural].append(answering(200, raw, content_type="application/json"))
            api.faults["watch", plural].append(saying(*lines.get(plural, []), then="silence"))
        streams = [Stream(KIND_BY_PLURAL[plural], "*") for plural in lists]
        expected = _states([parse(value) for value in values_of(path)])
        # Whoever asks how far this server is hears that it is far ahead.
        api.version = 1_000_000
        async with watching(cluster, streams) as watch:
            await watch.until(
                lambda found: sum(words[0] in FACTS for words in found) >= len(expected)
            )
        assert _states(await documents(watch.log)) == expected


def _states(rows: list[Document]) -> list[tuple[str, int, str, bool]]:
    return sorted(
        (row.subject, int(row.resourceversion), str(row.data), bool(row.snapshot))
        for row in rows
        if row.fact in ("state", "deleted")
    )


async def test_lost_history_in_a_recording_is_a_gap(tmp_path: Path) -> None:
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
    busy = {"type": "ERROR", "object": {"kind": "Status", "code": 500, "reason": "InternalError"}}
    path = recording(
        tmp_path,
        HEADER,
        line(1, "list", "pods", listed(5, pod(3))),
        line(2, "watch", "pods", busy),
        line(3, "watch", "pods", gone),
        line(20, "list", "pods", listed(9, pod(8))),
        line(21, "watch", "pods", {"type": "MODIFIED", "object": pod(10)}),
        line(22, "watch", "pods", "?"),
        line(23, "end"),
    )
    _, log = await replayed(path)
    found = await told(log)
    assert found == [
        ("stream-start", "pods/*"),
        ("snapshot-begin", "pods/*"),
        ("listed", "web-0", "3"),
        ("snapshot-end", "pods/*"),
        ("gap", "expired-410", "open", "pods/*"),
        ("snapshot-begin", "pods/*"),
        ("listed", "web-0", "8"),
        ("snapshot-end", "pods/*"),
        ("gap", "expired-410", "closed", "pods/*"),
        ("state", "web-0", "10"),
        ("gap", "decode", "open", "pods/*"),
        ("stream-stop", "pods/*"),
    ]
    assert gaps(found) == ["expired-410", "decode"]


async def test_silence_in_a_recording_has_its_heartbeats(tmp_path: Path) -> None:
    path = recording(
        tmp_path, HEADER, line(1, "list", "pods", listed(5)), line(50, "step"), line(61, "end")
    )
    _, log = await replayed(path)
    beats = [row for row in await documents(log) if row.data.get("mark") == "heartbeat"]
    assert [row.time for row in beats] == [
        timestamp(BEGAN + timedelta(seconds=seconds)) for seconds in (15, 30, 45, 60)
    ]
    assert beats[0].data["streams"] == [
        {
            "kind": "pods",
            "scope": "*",
            "cursor": "5",
            "state": "live",
            "seen_at": timestamp(BEGAN + timedelta(seconds=1)),
        }
    ]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "is not a recording"),
        (["{"], "is not a recording"),
        (["[]"], "is not a recording"),
        ([HEADER | {"format": 2}], "is not a recording"),
        ([HEADER | {"cluster": ""}], "is not a recording"),
        ([HEADER | {"began_at": "yesterday"}], "is not a recording"),
        ([HEADER], "is a damaged recording: it has no end"),
        ([HEADER, "{"], "is a damaged recording"),
        ([HEADER, "[]"], "is a damaged recording"),
        ([HEADER, line(1, "dance")], "is a damaged recording"),
        ([HEADER, line(1, "list", "secrets", listed(1))], "is a damaged recording"),
        ([HEADER, line(1, "list", "pods", "?")], "is a damaged recording"),
        ([HEADER, line(1, "watch", "pods", "?")], "is a damaged recording"),
        ([HEADER, line(1, "end") | {"at": "soon"}], "is a damaged recording"),
        ([HEADER, line(1, "list", "pods") | {"raw": 7}], "is a damaged recording"),
    ],
)
async def test_a_broken_recording_is_told_in_one_line(
    tmp_path: Path, lines: list[object], reason: str
) -> None:
    path = recording(tmp_path, *lines)
    with pytest.raises(LogUnusable) as caught:
        await replayed(path)
    assert str(caught.value).startswith(f"{path} {reason}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not zstd", None])
async def test_a_file_that_is_no_recording_is_told_in_one_line(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LogUnusable) as caught:
        await replayed(path)
    assert str(caught.value).startswith(f"{path} ")


async def test_half_a_recording_is_told_and_no_stop_is_invented(tmp_path: Path) -> None:
    whole = (STREAMS / "tutorial.jsonl.zst").read_bytes()
    path = tmp_path / "half"
    path.write_bytes(whole[: len(whole) // 2])
    log = MemoryLog()
    with pytest.raises(LogUnusable):
        await replay(path, log, lambda cluster: observer(cluster=cluster))
    assert ("stream-stop", "pods/*") not in await told(log)
