"""What the end of the log says to a watcher that starts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ledger.envelope import Envelope
from ledger.errors import LogTruncated, OtherCluster
from ledger.log.memory import MemoryLog
from ledger.model import Position, Record, timestamp
from ledger.observe import Observer, Stream
from ledger.resume import Resume, read_redaction_key, read_resume
from ledger.standing import OpenGap, Standing
from tests.fake_api import CLUSTER
from tests.watching import PODS, STATEFUL_SETS, observer

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
PODS_IN_SHOP = Stream(PODS.kind, "shop")


class Story:
    """Records of watcher processes, one a second."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.at = BEGAN

    def tick(self) -> datetime:
        """The time of the next record."""
        self.at += timedelta(seconds=1)
        return self.at

    def start(self, by: Observer, stream: Stream, cursor: str | None = None) -> Story:
        """A stream-start."""
        mode = "resumed" if cursor else "listed"
        return self._cover(by, "stream-start", stream, mode=mode, cursor=cursor)

    def begin(self, by: Observer, stream: Stream) -> Story:
        """A snapshot-begin."""
        return self._cover(by, "snapshot-begin", stream, snapshot="s")

    def end(self, by: Observer, stream: Stream, version: str) -> Story:
        """A snapshot-end."""
        return self._cover(
            by, "snapshot-end", stream, snapshot="s", count=0, resource_version=version
        )

    def stop(self, by: Observer, stream: Stream, cursor: str | None) -> Story:
        """A stream-stop."""
        return self._cover(by, "stream-stop", stream, cursor=cursor)

    def beat(self, by: Observer, cursors: dict[Stream, str | None], **entry: Any) -> Story:
        """A heartbeat."""
        entries = [
            {"kind": s.kind.plural, "scope": s.scope, "cursor": c, "state": "live", **entry}
            for s, c in cursors.items()
        ]
        return self._cover(by, "heartbeat", None, streams=entries)

    def state(
        self, by: Observer, version: str, *, snapshot: str = "", namespace: str = "default"
    ) -> Story:
        """A pod, watched or listed."""
        labels = {"statefulset.kubernetes.io/pod-name": "web-0"}
        metadata = {"name": "web-0", "namespace": namespace, "uid": "u", "labels": labels}
        raw = json.dumps({"metadata": metadata | {"resourceVersion": version}}).encode()
        made = by.state(raw, kind=PODS.kind, at=self.tick(), snapshot=snapshot)
        assert made is not None
        self.envelopes.append(made)
        return self

    def gap(self, by: Observer, stream: Stream, cause: str = "expired-410") -> str:
        """A gap opens; its id."""
        self.envelopes.append(by.gap(stream, at=self.tick(), cause=cause))
        return self.envelopes[-1].id

    def close(self, by: Observer, stream: Stream, gap: str) -> Story:
        """A gap is closed."""
        self.envelopes.append(
            by.gap(stream, at=self.tick(), cause="expired-410", state="closed", gap=gap)
        )
        return self

    def _cover(self, by: Observer, mark: str, stream: Stream | None, **details: Any) -> Story:
        self.envelopes.append(by.coverage(mark, stream, at=self.tick(), **details))
        return self

    async def resume(self, *streams: Stream) -> Resume:
        """What a watcher of these streams reads."""
        log = MemoryLog()
        await log.append(self.envelopes)
        return await read_resume(log, streams or (PODS,), cluster=CLUSTER)


def at(seconds: int) -> str:
    """The time of the n-th record."""
    return timestamp(BEGAN + timedelta(seconds=seconds))


@pytest.fixture
def one() -> Observer:
    """A watcher process."""
    return observer("aaaa0001")


@pytest.fixture
def two() -> Observer:
    """Another watcher process."""
    return observer("bbbb0002")


async def test_an_empty_log_says_nothing() -> None:
    assert await Story().resume() == Resume({}, "", "", 1)


async def test_a_complete_snapshot_gives_a_cursor(one: Observer) -> None:
    story = Story().start(one, PODS).begin(one, PODS).state(one, "7", snapshot="s")
    found = await story.end(one, PODS, "9").resume()
    assert found == Resume({PODS.key: Standing("9", at(4))}, "0a1b2c3d", "secrets", 1)


async def test_listed_states_give_none(one: Observer) -> None:
    story = Story().start(one, PODS).begin(one, PODS).state(one, "7", snapshot="s")
    assert (await story.resume()).cursors == {}


async def test_a_crash_inside_a_later_snapshot_goes_back_before_it(
    one: Observer, two: Observer
) -> None:
    story = Story().end(one, PODS, "9").state(one, "12")
    story.start(two, PODS).begin(two, PODS).state(two, "30", snapshot="s")
    assert (await story.resume()).cursors == {PODS.key: Standing("12", at(2))}


async def test_what_was_watched_after_it_moves_the_cursor_on(one: Observer) -> None:
    story = Story().end(one, PODS, "9").state(one, "12").state(one, "15").state(one, "14")
    assert (await story.resume()).cursors == {PODS.key: Standing("15", at(4))}


async def test_a_heartbeat_gives_a_cursor_for_every_stream(one: Observer) -> None:
    story = Story().state(one, "40").beat(one, {PODS: "41", STATEFUL_SETS: "50"}).state(one, "44")
    assert (await story.resume(PODS, STATEFUL_SETS)).cursors == {
        PODS.key: Standing("44", at(3)),
        STATEFUL_SETS.key: Standing("50", at(2)),
    }


async def test_a_heartbeat_tells_when_the_server_last_spoke(one: Observer) -> None:
    story = Story().beat(one, {PODS: "41"}, state="reconnecting", seen_at=at(0))
    assert (await story.resume()).cursors == {PODS.key: Standing("41", at(0))}


async def test_a_resumed_start_gives_a_cursor_and_a_listed_one_does_not(
    one: Observer, two: Observer
) -> None:
    story = Story().end(one, PODS, "9").start(two, PODS, "9").state(two, "12")
    assert (await story.resume()).cursors == {PODS.key: Standing("12", at(3))}
    story.start(two, PODS)
    assert (await story.resume()).cursors == {PODS.key: Standing("12", at(3))}


async def test_an_orderly_stop_gives_a_cursor(one: Observer) -> None:
    story = Story().end(one, PODS, "9").stop(one, PODS, "20")
    assert (await story.resume()).cursors == {PODS.key: Standing("20", at(2))}


async def test_another_process_does_not_move_the_cursor(one: Observer, two: Observer) -> None:
    # It may have begun anywhere, and may have left out what lies before.
    story = Story().end(one, PODS, "9").state(two, "90").state(one, "10")
    assert (await story.resume()).cursors == {PODS.key: Standing("10", at(3))}


async def test_of_two_processes_the_one_that_spoke_last_counts(
    one: Observer, two: Observer
) -> None:
    story = Story().beat(one, {PODS: "20"}).beat(two, {PODS: "30"}).state(one, "25")
    assert (await story.resume()).cursors == {PODS.key: Standing("30", at(2))}


async def test_an_open_gap_stays_the_same_gap(one: Observer, two: Observer) -> None:
    story = Story().end(one, PODS, "9").state(one, "12")
    gap = story.gap(one, PODS)
    story.beat(one, {PODS: None}).start(two, PODS).begin(two, PODS)
    expected = Standing("12", at(2), (OpenGap(gap, "expired-410"),))
    assert (await story.resume()).cursors == {PODS.key: expected}


async def test_a_list_after_a_lost_line_does_not_move_the_cursor_before_it_is_complete(
    one: Observer,
) -> None:
    story = Story().end(one, PODS, "9").state(one, "12")
    gap = story.gap(one, PODS, "decode")
    story.state(one, "14").begin(one, PODS).state(one, "30", snapshot="s")
    expected = Standing("14", at(4), (OpenGap(gap, "decode"),))
    assert (await story.resume()).cursors == {PODS.key: expected}


async def test_a_closed_gap_is_none_of_ours(one: Observer) -> None:
    story = Story().end(one, PODS, "9")
    gap = story.gap(one, PODS)
    story.close(one, PODS, gap).beat(one, {STATEFUL_SETS: "9"})
    assert (await story.resume()).cursors == {PODS.key: Standing("9", at(1))}


async def test_a_gap_that_a_snapshot_ended_is_none_of_ours_even_if_nobody_said_so(
    one: Observer,
) -> None:
    story = Story()
    story.gap(one, PODS)
    story.begin(one, PODS).end(one, PODS, "30")
    assert (await story.resume()).cursors == {PODS.key: Standing("30", at(3))}


async def test_a_gap_that_comes_twice_and_late_was_closed_long_ago(
    one: Observer, two: Observer
) -> None:
    story = Story().end(one, PODS, "9")
    late = one.gap(PODS, at=story.tick(), cause="forbidden", last_resource_version="9")
    story.envelopes.append(late)
    story.close(one, PODS, late.id).end(two, PODS, "20").envelopes.append(late)
    assert (await story.resume()).cursors == {PODS.key: Standing("20", at(4))}


async def test_a_gap_after_the_cursor_is_still_open(one: Observer, two: Observer) -> None:
    story = Story().beat(two, {PODS: "20"})
    opened = one.gap(PODS, at=story.tick(), cause="forbidden", last_resource_version="20")
    story.envelopes.append(opened)
    expected = Standing("20", at(1), (OpenGap(opened.id, "forbidden"),))
    assert (await story.resume()).cursors == {PODS.key: expected}


async def test_a_list_with_items_that_nobody_could_read_is_no_ground_to_go_on_from(
    one: Observer,
) -> None:
    story = Story().beat(one, {PODS: "9"})
    gap = story.gap(one, PODS, "decode")
    part = {"snapshot": "s", "count": 3, "resource_version": "30", "unreadable": 1}
    story.begin(one, PODS)._cover(one, "snapshot-end", PODS, **part)
    expected = Standing("9", at(1), (OpenGap(gap, "decode"),))
    assert (await story.resume()).cursors == {PODS.key: expected}


async def test_a_cursor_of_an_epoch_that_has_ended_is_marked(one: Observer) -> None:
    story = Story().beat(one, {PODS: "90", STATEFUL_SETS: "80"})
    one.epoch = 2
    story.end(one, PODS, "30")
    resume = await story.resume(PODS, STATEFUL_SETS)
    assert resume.epoch == 2
    assert resume.cursors == {
        PODS.key: Standing("30", at(2)),
        STATEFUL_SETS.key: Standing("80", at(1), epoch=1),
    }


async def test_a_gap_from_the_very_start_is_known_too(one: Observer) -> None:
    story = Story().start(one, PODS)
    gap = story.gap(one, PODS, "forbidden")
    expected = Standing("", "", (OpenGap(gap, "forbidden"),))
    assert (await story.resume()).cursors == {PODS.key: expected}


async def test_scopes_are_different_streams(one: Observer) -> None:
    story = Story().end(one, PODS_IN_SHOP, "9").state(one, "12", namespace="shop")
    story.state(one, "13", namespace="other")
    assert (await story.resume(PODS, PODS_IN_SHOP)).cursors == {
        PODS_IN_SHOP.key: Standing("12", at(2))
    }


async def test_a_cursor_of_another_filter_is_marked(one: Observer) -> None:
    story = Story()
    story._cover(one, "snapshot-end", PODS, snapshot="s", count=0, resource_version="9", filter=0)
    expected = Standing("9", at(1), (), refiltered=True)
    assert (await story.resume()).cursors == {PODS.key: expected}


async def test_a_log_of_another_cluster_is_refused() -> None:
    story = Story().start(observer(cluster="another"), PODS)
    with pytest.raises(OtherCluster) as caught:
        await story.resume()
    assert caught.value.message == (
        f"the log is of cluster another, the API server of cluster {CLUSTER}"
    )


async def test_a_log_of_nothing_but_foreign_records_is_refused() -> None:
    with pytest.raises(OtherCluster):
        await Story().state(observer(cluster="another"), "7").resume()


async def test_a_foreign_record_in_our_own_log_is_passed_over(one: Observer) -> None:
    story = Story().end(one, PODS, "9").state(observer(cluster="another"), "70")
    assert (await story.resume()).cursors == {PODS.key: Standing("9", at(1))}


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"type":1}',
        b"[" * 5000,
        json.dumps(
            {
                "id": "x",
                "type": "rollout-ledger.coverage.v1",
                "source": f"/clusters/{CLUSTER}",
                "time": "",
                "epoch": 1,
                "instance": "x",
                "data": {"mark": "heartbeat", "streams": [{"kind": "pods", "cursor": 7}]},
            }
        ).encode(),
        json.dumps(
            {
                "id": "x",
                "type": "rollout-ledger.gap.v1",
                "source": f"/clusters/{CLUSTER}",
                "time": "",
                "epoch": 1,
                "instance": "x",
                "data": None,
            }
        ).encode(),
    ],
)
async def test_a_record_that_cannot_be_read_is_passed_over(one: Observer, junk: bytes) -> None:
    story = Story().end(one, PODS, "9")
    story.envelopes.append(Envelope("junk", junk))
    assert (await story.resume()).cursors == {PODS.key: Standing("9", at(1))}


@pytest.mark.parametrize("before", [0, 1, 499, 500, 501, 1_499, 1_500, 1_501, 9_000])
async def test_a_cursor_is_found_however_far_back_it_is(one: Observer, before: int) -> None:
    story = Story().end(one, PODS, "9")
    story.envelopes += story.envelopes[:0] + [Envelope("x", b"junk")] * before
    assert (await story.resume()).cursors == {PODS.key: Standing("9", at(1))}


class RetainedLog(MemoryLog):
    """A log whose first records are gone, and which gives few at a time."""

    first = 0

    async def read(self, after: Position, limit: int) -> list[Record]:
        if after + 1 < self.first:
            raise LogTruncated("retention")
        return await super().read(after, min(limit, 100))


@pytest.mark.parametrize("first", [0, 1, 250, 699, 701])
async def test_a_log_that_has_lost_its_beginning_is_read_as_far_as_it_goes(
    one: Observer, first: int
) -> None:
    story = Story().end(one, PODS, "9")
    story.envelopes += [Envelope("x", b"junk")] * 699
    story.beat(one, {STATEFUL_SETS: "20"})
    log = RetainedLog()
    await log.append(story.envelopes)
    log.first = first
    found = await read_resume(log, [PODS, STATEFUL_SETS], cluster=CLUSTER)
    expected = {STATEFUL_SETS.key: Standing("20", at(2))} if first <= 700 else {}
    assert found.cursors == expected | ({PODS.key: Standing("9", at(1))} if first == 0 else {})


async def test_only_as_much_is_read_as_it_takes(one: Observer) -> None:
    story = Story()
    story.envelopes += [Envelope("x", b"junk")] * 50_000
    story.beat(one, {PODS: "20"})
    asked: list[Position] = []

    class Asked(MemoryLog):
        async def read(self, after: Position, limit: int) -> list[Record]:
            asked.append(after)
            return await super().read(after, limit)

    log = Asked()
    await log.append(story.envelopes)
    await read_resume(log, [PODS], cluster=CLUSTER)
    assert asked == [Position(49_500)]


async def test_the_epoch_stays_what_the_log_last_said(one: Observer) -> None:
    story = Story().end(one, PODS, "9")
    one.epoch = 3
    story.beat(one, {PODS: "9"})
    assert (await story.resume()).epoch == 3


async def test_the_key_last_used_is_known_without_the_cluster(one: Observer) -> None:
    log = MemoryLog()
    assert await read_redaction_key(log) == ""
    envelopes: Sequence[Envelope] = Story().end(one, PODS, "9").state(one, "12").envelopes
    await log.append(envelopes)
    assert await read_redaction_key(log) == "0a1b2c3d"
