"""What proves that nothing is missing: counts without holes, lists that check the watch, epochs."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger.freshness import freshness
from ledger.model import EPOCH_SPAN, PODS, utc_now
from ledger.observe import Observer, Stream
from ledger.reader import LocalReader
from ledger.redaction import Redactor
from tests.invariants import examine
from tests.recorded import KEY, KEY_ID, folded, values_of
from tests.test_coverage import SETS, Story, a_set, asked

PODS_EVERYWHERE = Stream(PODS, "*")
GAPS = "select cause, kind, scope, last_version, next_version, detail from gaps order by id"


def a_set_at(version: int, generation: int) -> dict[str, Any]:
    raw = a_set("u-1", version)
    return raw | {"metadata": raw["metadata"] | {"generation": generation}}


def checked(story: Story, version: int, after: int, named: dict[str, str], **listed: Any) -> None:
    """A list that checks the watch: `named` by uid with their versions, `listed` in full."""
    snapshot = story.observer.next_snapshot()
    cover = story.observer.coverage
    story.keep(cover("snapshot-begin", SETS, at=story.tick(), snapshot=snapshot))
    for raw in listed.values():
        story.state(SETS.kind, raw, snapshot=snapshot)
    if named:
        part = {"snapshot": snapshot, "unchanged": named}
        story.keep(cover("snapshot-part", SETS, at=story.tick(), **part))
    end = {"snapshot": snapshot, "count": len(named) + len(listed), "after": str(after)}
    story.keep(cover("snapshot-end", SETS, at=story.tick(), resource_version=str(version), **end))


def deleted(story: Story, raw: dict[str, Any]) -> None:
    sealed = story.observer.deleted(json.dumps(raw).encode(), kind=SETS.kind, at=story.tick())
    assert sealed is not None
    story.keep(sealed)


def beat(story: Story, cursor: int) -> None:
    entry = {"kind": "statefulsets", "scope": "*", "cursor": str(cursor), "state": "live"}
    story.keep(story.observer.heartbeat([entry], at=story.tick(), skew_seconds=0.1))


def gaps(values: Sequence[bytes], path: Path) -> list[tuple[Any, ...]]:
    ledger = folded(values, path)
    examine(values, ledger)
    return asked(ledger, GAPS)


def test_the_recordings_have_no_gaps(tutorial: Path, demo: Path, tmp_path: Path) -> None:
    for index, recording in enumerate((tutorial, demo)):
        assert gaps(values_of(recording), tmp_path / f"{index}.db") == []


def test_a_record_that_never_arrived_is_a_gap_of_the_whole_log(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5), a_set("u-2", 6, "db"))
    values = [story.values[i] for i in (0, 1, 4)]
    detail = '{"first":3,"instance":"feed0001","last":4}'
    path = tmp_path / "l.db"
    assert gaps(values, path) == [("sequence-jump", "*", "*", None, None, detail)]
    assert freshness(LocalReader(path), now=story.at).state == "gap"


def test_a_hole_is_closed_when_every_stream_was_listed_again(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.start(PODS_EVERYWHERE)
    story.state(SETS.kind, a_set("u-1", 5))
    story.state(SETS.kind, a_set("u-1", 6))
    story.list(SETS, 10, a_set("u-1", 6))
    values = [value for i, value in enumerate(story.values) if i != 2]
    open_gaps = "select count(*) from gaps where closed_at is null"
    assert asked(folded(values, tmp_path / "half.db"), open_gaps) == [(1,)]
    story.list(PODS_EVERYWHERE, 11)
    values = [value for i, value in enumerate(story.values) if i != 2]
    assert asked(folded(values, tmp_path / "whole.db"), open_gaps) == [(0,)]


def test_holes_are_the_same_in_whatever_order_records_arrive(
    tutorial: Path, tmp_path: Path
) -> None:
    chance = random.Random(5)
    values = values_of(tutorial)
    kept = [value for i, value in enumerate(values) if i == 0 or chance.random() > 0.1]
    holes = "select id, last_seen_at, opened_at, detail from gaps where kind = '*' order by id"
    expected = asked(folded(kept, tmp_path / "in-order.db"), holes)
    assert len(expected) > 20
    for batch in (7, 500):
        chance.shuffle(kept)
        ledger = folded(kept, tmp_path / f"{batch}.db", batch=batch)
        assert asked(ledger, holes) == expected


def test_a_spec_write_that_nobody_saw_is_counted(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set_at(5, 1))
    story.state(SETS.kind, a_set_at(11, 2))
    story.state(SETS.kind, a_set_at(20, 5))
    detail = '{"from":2,"missed":2,"name":"web","to":5,"uid":"u-1"}'
    expected = [("generation-jump", "statefulsets", "shop", 11, 20, detail)]
    assert gaps(story.values, tmp_path / "l.db") == expected
    story.state(SETS.kind, a_set_at(15, 4))
    story.state(SETS.kind, a_set_at(14, 3))
    assert gaps(story.values, tmp_path / "late.db") == []


def test_a_list_that_finds_nothing_new_is_no_gap(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5))
    story.state(SETS.kind, a_set("u-2", 11, "db"))
    checked(story, 20, 11, {"u-1": "5", "u-2": "11"})
    beat(story, 20)
    path = tmp_path / "l.db"
    assert gaps(story.values, path) == []
    assert asked(path, "select listed, complete, compared from snapshots where after_version") == [
        (2, 1, 1)
    ]


def test_a_state_that_only_the_list_knew_is_a_mismatch(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5))
    story.state(SETS.kind, a_set("u-2", 15, "db"))
    checked(story, 20, 15, {"u-2": "15"}, missed=a_set("u-1", 12), fresh=a_set("u-3", 18, "new"))
    detail = '{"changed":1,"deleted":0,"objects":[{"name":"web","uid":"u-1"}]}'
    expected = [("relist-mismatch", "statefulsets", "*", 10, 20, detail)]
    assert gaps(story.values, tmp_path / "l.db") == expected
    # Another watcher had seen it, and its record comes late.
    other = Observer("c-1", "beef0002", Redactor("secrets", KEY_ID, KEY))
    seen = other.state(json.dumps(a_set("u-1", 12)).encode(), kind=SETS.kind, at=story.at)
    assert seen is not None
    assert gaps([*story.values, seen.value], tmp_path / "seen.db") == []


def test_a_deletion_that_only_the_list_knew_is_a_mismatch_once_the_watch_is_past(
    tmp_path: Path,
) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5), a_set("u-2", 6, "db"))
    checked(story, 20, 15, {"u-1": "5"})
    beat(story, 19)
    assert gaps(story.values, tmp_path / "pending.db") == []
    beat(story, 21)
    detail = '{"changed":0,"deleted":1,"objects":[{"name":"db","uid":"u-2"}]}'
    expected = [("relist-mismatch", "statefulsets", "*", 10, 20, detail)]
    assert gaps(story.values, tmp_path / "past.db") == expected
    # It comes after all, from a server that was slow to tell.
    deleted(story, a_set("u-2", 17, "db"))
    path = tmp_path / "told.db"
    assert gaps(story.values, path) == []
    assert asked(path, "select deleted_how from objects where uid = 'u-2'") == [("observed",)]


def test_a_checking_list_does_not_move_the_watch_on(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5))
    checked(story, 99, 10, {"u-1": "5"})
    path = folded(story.values, tmp_path / "l.db")
    assert asked(path, "select resource_version from coverage") == [(10,)]


def test_a_restored_cluster_goes_on_in_a_new_epoch(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5), a_set("u-2", 6, "db"))
    deleted(story, a_set("u-2", 20, "db"))
    story.state(SETS.kind, a_set("u-3", 30, "new"))
    story.observer.epoch = 2
    story.keep(
        story.observer.gap(
            SETS,
            at=story.tick(),
            cause="rv-rollback",
            last_resource_version="30",
            last_epoch=1,
        )
    )
    story.list(SETS, 12, a_set("u-1", 5), a_set("u-2", 6, "db"))
    story.state(SETS.kind, a_set("u-4", 20, "later"))
    path = tmp_path / "l.db"
    (gap,) = gaps(story.values, path)
    assert gap[:5] == ("rv-rollback", "statefulsets", "*", 30, EPOCH_SPAN + 12)
    rows = asked(path, "select uid, resource_version, deleted_how from objects order by uid")
    assert rows == [
        ("u-1", EPOCH_SPAN + 5, None),
        ("u-2", EPOCH_SPAN + 6, None),
        ("u-3", 30, "inferred"),
        ("u-4", EPOCH_SPAN + 20, None),
    ]
    # In another order the same: what was deleted before the restoration stays undeleted.
    shuffled = story.values[:1] + story.values[5:] + story.values[1:5]
    ledger = folded(shuffled, tmp_path / "shuffled.db")
    again = asked(ledger, "select uid, resource_version, deleted_how from objects order by uid")
    assert again == rows


def test_what_was_withheld_is_a_gap_of_its_own(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    raw = a_set("u-1", 5)
    raw["spec"]["filler"] = ["x" * 1_000_000] * 9
    story.state(SETS.kind, raw)
    path = tmp_path / "l.db"
    ((cause, kind, scope, *versions, detail),) = gaps(story.values, path)
    assert (cause, kind, scope, versions) == ("too-large", "statefulsets", "shop", [5, 5])
    assert json.loads(detail)["name"] == "web"
    assert asked(path, "select reason, bytes > 9000000 from withheld") == [("too-large", 1)]


def test_freshness_says_how_far_the_ledger_is_behind_its_log(tmp_path: Path) -> None:
    from ledger.log.sqlite import LogFile

    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5))
    path = folded(story.values[:2], tmp_path / "l.db")
    with LogFile.create(tmp_path / "log.db") as log:
        log.append(story.values)
    fresh = freshness(LocalReader(path, tmp_path / "log.db"), now=utc_now(), needs=["statefulsets"])
    assert fresh.lag_records == 2
    assert fresh.line().endswith("ledger 2 records behind")
    assert freshness(LocalReader(path), now=utc_now()).lag_records is None


def test_a_lost_state_keeps_its_hole_open_until_it_is_told_again(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set("u-1", 5))
    lost = len(story.values)
    story.state(SETS.kind, a_set("u-1", 11))
    checked(story, 20, 11, {"u-1": "11"})
    values = [value for index, value in enumerate(story.values) if index != lost]
    still_open = "select cause from gaps where closed_at is null"
    path = folded(values, tmp_path / "lost.db")
    assert asked(path, still_open) == [("sequence-jump",)]
    assert asked(path, "select unheld from snapshots order by position") == [(0,), (1,)]
    checked(story, 30, 11, {}, told=a_set("u-1", 11))
    values = [value for index, value in enumerate(story.values) if index != lost]
    path = folded(values, tmp_path / "told.db")
    assert asked(path, still_open) == []
    assert asked(path, "select resource_version from objects") == [(11,)]
    # What was lost may also turn up: then there was no hole, and every list is whole.
    path = folded([*values, story.values[lost]], tmp_path / "late.db")
    assert asked(path, "select count(*) from gaps") == [(0,)]
    assert asked(path, "select max(unheld) from snapshots") == [(0,)]


def test_every_gap_is_told_in_words(tmp_path: Path) -> None:
    story = Story()
    story.start(SETS)
    story.list(SETS, 10, a_set_at(5, 1))
    story.state(SETS.kind, a_set_at(20, 4))
    checked(story, 40, 20, {"u-1": "20"}, missed=a_set("u-2", 15, "db"))
    story.keep(story.observer.gap(SETS, at=story.tick(), cause="forbidden"))
    values = [value for index, value in enumerate(story.values) if index != 1]
    reader = LocalReader(folded(values, tmp_path / "l.db"))
    told = {row["cause"]: row["story"] for row in reader.query("not_recorded", {})}
    assert told == {
        "sequence-jump": "1 records of watcher feed0001 never arrived, from number 2 on",
        "generation-jump": "2 spec writes of web were not seen: generation 1 to 4",
        "relist-mismatch": "a list shows changes of statefulsets that the watch never told: "
        "1 changed, 0 deleted",
        "forbidden": "statefulsets were not watched since 2026-11-01T09:00:10.000000Z: forbidden",
    }
    summaries = {row["summary"] for row in reader.query("changes", {}) if row["what"] == "gap"}
    assert summaries == set(told.values())
