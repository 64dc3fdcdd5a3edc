"""What was not seen is said: gaps, the lists that close them, and deletions known only as
intervals.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.freshness import freshness
from ledger.model import CONTROLLER_REVISIONS, STATEFUL_SETS, Kind
from ledger.observe import Observer, Stream
from ledger.reader import LocalReader
from ledger.redaction import Redactor
from tests.cases import case
from tests.recorded import KEY, KEY_ID, folded

SETS = Stream(STATEFUL_SETS, "*")
REVISIONS = Stream(CONTROLLER_REVISIONS, "*")
BEGAN = datetime(2026, 11, 1, 9, tzinfo=UTC)


@dataclass
class Story:
    """Records of one watcher, a second apart."""

    observer: Observer = field(
        default_factory=lambda: Observer("c-1", "feed0001", Redactor("secrets", KEY_ID, KEY))
    )
    values: list[bytes] = field(default_factory=list)
    at: datetime = BEGAN

    def tick(self, seconds: int = 1) -> datetime:
        self.at += timedelta(seconds=seconds)
        return self.at

    def start(self, stream: Stream, cursor: str | None = None) -> None:
        mode = "resumed" if cursor else "listed"
        self.keep(
            self.observer.coverage("stream-start", stream, at=self.tick(), mode=mode, cursor=cursor)
        )

    def list(self, stream: Stream, version: int, *raw: dict[str, Any], short: int = 0) -> None:
        snapshot = self.observer.next_snapshot()
        self.keep(
            self.observer.coverage("snapshot-begin", stream, at=self.tick(), snapshot=snapshot)
        )
        for each in raw:
            self.state(stream.kind, each, snapshot=snapshot)
        end = {"count": len(raw) + short, "resource_version": str(version)}
        sealed = self.observer.coverage(
            "snapshot-end", stream, at=self.tick(), snapshot=snapshot, **end
        )
        self.keep(sealed)

    def state(self, kind: Kind, raw: dict[str, Any], *, snapshot: str = "") -> None:
        sealed = self.observer.state(
            json.dumps(raw).encode(), kind=kind, at=self.tick(), snapshot=snapshot
        )
        assert sealed is not None
        self.keep(sealed)

    def heartbeat(self, **states: str) -> None:
        streams = [
            {"kind": kind, "scope": "*", "cursor": "1", "state": state}
            for kind, state in states.items()
        ]
        self.keep(self.observer.coverage("heartbeat", None, at=self.tick(), streams=streams))

    def keep(self, sealed: Any) -> str:
        self.values.append(sealed.value)
        return str(sealed.id)


def a_set(uid: str, version: int, name: str = "web", created: datetime = BEGAN) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": []}}
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "resourceVersion": str(version),
            "generation": 1,
            "creationTimestamp": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "spec": {"replicas": 1, "template": template, "selector": {}},
    }


def asked(path: Path, question: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


def seconds(story_at: str) -> int:
    """Seconds since the story began."""
    return round((datetime.fromisoformat(story_at) - BEGAN).total_seconds())


@case(70, stream="constructed")
def test_a_complete_list_proves_deletions_as_intervals(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5), a_set("u-2", 6, "db"))
    story.keep(story.observer.gap(SETS, at=story.tick(), cause="expired-410"))
    story.tick(60)
    story.list(SETS, 20, a_set("u-2", 6, "db"))
    path = folded(story.values, tmp_path / "l.db")
    rows = asked(
        path, "select uid, deleted_at, deleted_after, deleted_how, deleted_version from objects"
    )
    (_, deleted_at, deleted_after, how, version), kept = sorted(rows)
    # From when the list that named it was asked for.
    assert (seconds(deleted_after), seconds(deleted_at), how, version) == (2, 69, "inferred", 20)
    assert kept == ("u-2", None, None, None, None)
    assert asked(path, "select deleted_how from workloads where uid = 'u-1'") == [("inferred",)]


def test_an_incomplete_list_proves_nothing(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5))
    story.list(SETS, 20, short=1)
    path = folded(story.values, tmp_path / "l.db")
    assert asked(path, "select deleted_at from objects") == [(None,)]
    assert asked(path, "select complete from snapshots order by id") == [(1,), (0,)]


def test_a_successor_bounds_its_predecessors_deletion(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5))
    reborn = BEGAN + timedelta(seconds=30)
    story.tick(60)
    story.list(SETS, 20, a_set("u-2", 15, created=reborn))
    path = folded(story.values, tmp_path / "l.db")
    ((deleted_at, deleted_after),) = asked(
        path, "select deleted_at, deleted_after from objects where uid = 'u-1'"
    )
    assert (seconds(deleted_after), seconds(deleted_at)) == (2, 30)
    assert asked(path, "select predecessor from workloads where uid = 'u-2'") == [("u-1",)]


def test_a_deletion_that_was_watched_replaces_an_inferred_one(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5))
    story.list(SETS, 20)
    last = json.dumps(a_set("u-1", 12)).encode()
    deleted = story.observer.deleted(last, kind=STATEFUL_SETS, at=BEGAN + timedelta(seconds=4))
    story.keep(deleted)
    path = folded(story.values, tmp_path / "l.db")
    ((deleted_at, after, how),) = asked(
        path, "select deleted_at, deleted_after, deleted_how from objects"
    )
    assert (seconds(deleted_at), after, how) == (4, None, "observed")


def test_an_older_list_that_comes_late_deletes_nothing(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10)
    story.state(STATEFUL_SETS, a_set("u-1", 30))
    story.list(SETS, 20)
    path = folded(story.values, tmp_path / "l.db")
    assert asked(path, "select deleted_at from objects") == [(None,)]


def test_a_gap_is_open_until_a_later_list_is_complete(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10)
    gap = story.keep(
        story.observer.gap(SETS, at=story.tick(), cause="forbidden", last_resource_version="10")
    )
    broken = folded(story.values, tmp_path / "open.db")
    question = "select id, cause, last_version, next_version, closed_at is null from gaps"
    assert asked(broken, question) == [(gap, "forbidden", 10, None, 1)]
    assert asked(broken, "select ended_how from coverage") == [("gap",)]
    story.list(SETS, 40)
    closed = folded(story.values, tmp_path / "closed.db")
    assert asked(closed, question) == [(gap, "forbidden", 10, 40, 0)]
    assert asked(closed, "select began_how, ended_how from coverage order by id") == [
        ("listed", "gap"),
        ("listed", None),
    ]


def test_a_gap_that_another_watcher_covered_is_shown_as_covered(tmp_path: Path) -> None:
    story, other = Story(), Story()
    other.observer.instance = "feed0002"
    for each in (story, other):
        each.start(SETS)
        each.list(SETS, 10)
    story.keep(story.observer.gap(SETS, at=story.tick(), cause="expired-410"))
    story.list(SETS, 20)
    other.at = story.at + timedelta(seconds=5)
    other.heartbeat(statefulsets="live")
    path = folded([*story.values, *other.values], tmp_path / "l.db")
    assert [row["covered"] for row in LocalReader(path).query("not_recorded", {})] == [1]


def test_freshness_is_that_of_the_oldest_stream_the_answer_needs(tmp_path: Path) -> None:
    story = Story()
    for stream in (SETS, REVISIONS):
        story.start(stream)
        story.list(stream, 10)
    story.tick(60)
    story.heartbeat(statefulsets="live", controllerrevisions="live")
    heard = story.at
    story.tick(60)
    story.heartbeat(statefulsets="live")
    reader = LocalReader(folded(story.values, tmp_path / "l.db"))
    live = freshness(reader, now=heard + timedelta(seconds=90))
    assert (live.state, live.age_seconds) == ("live", 90.0)
    assert freshness(reader, now=heard + timedelta(seconds=91)).state == "stale"
    sets_only = freshness(reader, now=heard + timedelta(seconds=91), needs=["statefulsets"])
    assert sets_only.state == "live"
    story.keep(story.observer.gap(REVISIONS, at=story.tick(), cause="forbidden"))
    reader = LocalReader(folded(story.values, tmp_path / "gap.db"))
    assert freshness(reader, now=heard).state == "gap"
    story.list(REVISIONS, 20)
    for stream in (SETS, REVISIONS):
        story.keep(story.observer.coverage("stream-stop", stream, at=story.tick(), cursor="20"))
    reader = LocalReader(folded(story.values, tmp_path / "ended.db"))
    assert freshness(reader, now=heard + timedelta(days=9)).state == "ended"
