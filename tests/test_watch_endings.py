"""Whatever the API server does, nothing is lost without a gap, and nothing is invented."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.deadlines import Deadlines
from ledger.log.memory import MemoryLog
from tests.fake_api import (
    FakeApi,
    answering,
    error_line,
    never,
    refusing,
    saying,
)
from tests.watching import (
    PODS,
    QUICK,
    SPEED,
    STATEFUL_SETS,
    VOLUMES,
    Told,
    Watching,
    documents,
    gaps,
    seen,
    serving,
    told,
    watching,
)

IMPATIENT = Deadlines(
    connect_seconds=0.3, read_seconds=0.3, answer_seconds=0.5, idle_seconds=0.2, login_seconds=5.0
)


@asynccontextmanager
async def watching_pods(
    folder: Path, *, deadlines: Deadlines = QUICK
) -> AsyncIterator[tuple[FakeApi, Watching]]:
    """A watcher of pods that has listed the one pod there is."""
    async with serving(folder, deadlines=deadlines) as (api, cluster):
        api.put("pods", "web-0")
        async with watching(cluster, [PODS]) as watch:
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
            while not api.requests("watch", "pods"):
                await watch.until(lambda _: True)
            yield api, watch


def listings(found: list[Told]) -> int:
    """How many snapshots were completed."""
    return found.count(("snapshot-end", "pods/*"))


async def heartbeats(watch: Watching) -> list[dict[str, Any]]:
    """What each heartbeat said of the first stream."""
    rows = [row.data for row in await documents(watch.log) if row.fact == "coverage"]
    return [row["streams"][0] for row in rows if row["mark"] == "heartbeat"]


async def test_a_watch_begins_where_the_list_ends(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.put("pods", "web-1")
        api.delete("pods", "web-0")
        await watch.until(lambda found: ("deleted", "web-0", "103") in found)
    assert await told(watch.log) == [
        ("stream-start", "pods/*"),
        ("snapshot-begin", "pods/*"),
        ("listed", "web-0", "101"),
        ("snapshot-end", "pods/*"),
        ("state", "web-1", "102"),
        ("deleted", "web-0", "103"),
        ("stream-stop", "pods/*"),
    ]


async def test_lost_history_is_one_gap_and_a_list_that_closes_it(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.put("pods", "web-1")
        await watch.until(lambda found: "102" in seen(found))
        api.delete("pods", "web-0")
        api.forget("pods")
        api.cut()
        found = await watch.until(lambda found: gaps(found, "closed") != [])
    assert found[4:] == [
        ("state", "web-1", "102"),
        ("gap", "expired-410", "open", "pods/*"),
        ("snapshot-begin", "pods/*"),
        ("snapshot-part", "pods/*"),
        ("snapshot-end", "pods/*"),
        ("gap", "expired-410", "closed", "pods/*"),
    ]
    opened, closed = [row for row in await documents(watch.log) if row.fact == "gap"]
    state = next(row for row in await documents(watch.log) if row.resourceversion == "102")
    assert opened.data == {
        "cause": "expired-410",
        "state": "open",
        "kind": "pods",
        "scope": "*",
        "last_resource_version": "102",
        "last_seen_at": state.time,
    }
    assert closed.data == {
        "cause": "expired-410",
        "state": "closed",
        "kind": "pods",
        "scope": "*",
        "gap": opened.id,
        "next_resource_version": "104",
        "counts": {"listed": 1, "unreadable": 0},
    }


async def test_lost_history_as_a_status_is_the_same_gap(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.faults["watch", "pods"].append(refusing(410, "Expired"))
        api.end_watches()
        found = await watch.until(lambda found: gaps(found, "closed") != [])
        assert gaps(found) == gaps(found, "closed") == ["expired-410"]


@pytest.mark.parametrize("then", ["end", "abort", "silence"])
async def test_half_a_line_is_neither_lost_nor_invented(tmp_path: Path, then: str) -> None:
    async with watching_pods(tmp_path, deadlines=IMPATIENT) as (api, watch):
        before = api.put("pods", "web-1")
        whole = api.line("ADDED", "pods", before)
        after = api.line("MODIFIED", "pods", api.put("pods", "web-1", changed=True))
        await watch.until(lambda found: "103" in seen(found))
        api.faults["watch", "pods"].append(saying(whole, after[: len(after) // 2], then=then))
        api.end_watches()
        asked = len(api.requests("watch", "pods"))
        while len(api.requests("watch", "pods")) < asked + 2:
            await watch.until(lambda _: True)
        api.put("pods", "web-2")
        found = await watch.until(lambda found: "104" in seen(found))
        assert gaps(found) == []
        assert [words for words in found if words[0] == "state"][:3] == [
            ("state", "web-1", "102"),
            ("state", "web-1", "103"),
            ("state", "web-1", "102"),
        ]
        versions = [asked.query["resourceVersion"] for asked in api.requests("watch", "pods")]
        assert versions == sorted(versions)
        assert listings(found) == 1


async def test_a_silent_watch_is_asked_for_again_and_nothing_is_a_gap(tmp_path: Path) -> None:
    async with watching_pods(tmp_path, deadlines=IMPATIENT) as (api, watch):
        api.faults["watch", "pods"].append(saying(then="silence"))
        api.end_watches()
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "102" in seen(found))
        assert (gaps(found), listings(found)) == ([], 1)


async def test_watches_that_end_at_once_are_asked_for_ten_times_in_thirty_seconds_at_most(
    tmp_path: Path,
) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        line = api.line("MODIFIED", "pods", api.put("pods", "web-0"))
        for words in ([], [line]):
            api.always["watch", "pods"] = saying(*words)
            api.end_watches()
            asked = len(api.requests("watch", "pods"))
            began = time.monotonic()
            while time.monotonic() - began < 30 / SPEED:
                await watch.until(lambda _: True)
            seconds = (time.monotonic() - began) * SPEED
            assert len(api.requests("watch", "pods")) - asked <= 10 * seconds / 30
        assert gaps(await told(watch.log)) == []


async def test_a_busy_server_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.faults["watch", "pods"].append(answering(429, "slow down", retry_after="40"))
        asked, began = len(api.requests("watch", "pods")), time.monotonic()
        api.end_watches()
        while len(api.requests("watch", "pods")) < asked + 2:
            await watch.until(lambda _: True)
        assert (time.monotonic() - began) * SPEED >= 40
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "102" in seen(found))
        assert (gaps(found), listings(found)) == ([], 1)


@pytest.mark.parametrize(
    "fault",
    [
        answering(502, "<html>\n<body>\nbusy\n", content_type="text/html"),
        answering(200, "<html>\n<body>\nlog in\n", content_type="text/html"),
        answering(503, "no endpoints"),
        refusing(500, "InternalError"),
        saying(error_line(500, "InternalError", "etcd request timed out")),
        never,
    ],
)
@pytest.mark.parametrize("verb", ["list", "watch"])
async def test_an_error_is_waited_out_and_is_neither_a_record_nor_a_gap(
    tmp_path: Path, fault: Any, verb: str
) -> None:
    async with serving(tmp_path, deadlines=IMPATIENT) as (api, cluster):
        api.put("pods", "web-0")
        api.faults[verb, "pods"].extend([fault, fault])
        async with watching(cluster, [PODS]) as watch:
            await watch.until(lambda found: listings(found) == 1)
            api.put("pods", "web-1")
            await watch.until(lambda found: "102" in seen(found))
        assert await told(watch.log) == [
            ("stream-start", "pods/*"),
            ("snapshot-begin", "pods/*"),
            ("listed", "web-0", "101"),
            ("snapshot-end", "pods/*"),
            ("state", "web-1", "102"),
            ("stream-stop", "pods/*"),
        ]


async def test_expired_credentials_are_read_again_without_a_gap(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.tokens = {"second-token"}
        api.end_watches()
        while api.asked[-1].token in api.tokens or len(api.asked) < 6:
            await watch.until(lambda _: True)
        api.kubeconfig(tmp_path, user={"token": "second-token"})
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "102" in seen(found))
        assert (gaps(found), listings(found)) == ([], 1)


async def test_a_forbidden_kind_is_a_gap_and_the_others_go_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.forbidden.add("persistentvolumes")
        async with watching(cluster, [PODS, VOLUMES], heartbeat_seconds=5.0) as watch:
            await watch.until(lambda found: gaps(found) == ["forbidden"])
            api.put("pods", "web-0")
            await watch.until(lambda found: "101" in seen(found))
            asked = len(api.requests("list", "persistentvolumes"))
            while len(api.requests("list", "persistentvolumes")) < asked + 2:
                await watch.until(lambda _: True)
            beats = [row.data for row in await documents(watch.log) if row.fact == "coverage"]
            states = [entry["state"] for entry in beats[-1]["streams"]]
            assert states == ["live", "forbidden"]
            api.forbidden.clear()
            found = await watch.until(lambda found: gaps(found, "closed") != [])
            assert gaps(found) == gaps(found, "closed") == ["forbidden"]
            assert found.index(("snapshot-end", "persistentvolumes/*")) < len(found) - 1


async def test_a_right_that_is_missed_for_a_moment_is_no_gap(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.faults["watch", "pods"].extend([refusing(403, "Forbidden"), refusing(403, "Forbidden")])
        api.end_watches()
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "102" in seen(found))
        assert (gaps(found), listings(found)) == ([], 1)


async def test_a_right_that_is_taken_away_is_a_gap_from_when_it_was_last_used(
    tmp_path: Path,
) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.forbidden.add("pods")
        api.end_watches()
        await watch.until(lambda found: gaps(found) == ["forbidden"])
        [gap] = [row for row in await documents(watch.log) if row.fact == "gap"]
        assert gap.data["last_resource_version"] == "101"
        api.put("pods", "web-1")
        api.forbidden.clear()
        found = await watch.until(lambda found: gaps(found, "closed") != [])
        assert ("listed", "web-1", "102") in found


@pytest.mark.parametrize("megabytes", [1.5, 5.0])
async def test_a_large_object_is_recorded_whole(tmp_path: Path, megabytes: float) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        text = "x" * int(megabytes * 1024 * 1024)
        api.put("pods", "web-1", note=text)
        await watch.until(lambda found: "102" in seen(found))
        record = next(row for row in await documents(watch.log) if row.resourceversion == "102")
        assert record.data["spec"] == {"note": text}


async def test_a_line_over_the_limit_is_a_gap_and_the_watch_goes_on(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        requests = len(api.requests("watch", "pods"))
        api.put("pods", "web-1", note="x" * (20 * 1024 * 1024))
        api.put("pods", "web-2")
        found = await watch.until(lambda found: "103" in seen(found))
        assert gaps(found) == ["line-too-long"]
        assert len(api.requests("watch", "pods")) == requests
        [gap] = [row for row in await documents(watch.log) if row.fact == "gap"]
        assert gap.data["bytes"] > 20 * 1024 * 1024
        assert len(gap.data["hmac"]) == 64
        api.objects["pods"]["default/web-1"]["spec"] = {}
        api.end_watches()
        found = await watch.until(lambda found: gaps(found, "closed") != [])
        assert ("listed", "web-1", "102") in found


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"SPLIT","object":{"metadata":{"resourceVersion":"102"}}}',
        b'{"type":"ADDED","object":"CANARY"}',
        b'{"type":"ADDED","object":{"metadata":{"name":"CANARY"}}}',
        b'{"type":"ADDED","object":{"metadata":null}}',
        b'{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"soon"}}}',
        b'{"type":7}',
        b'["CANARY"]',
        b"CANARY",
        b"\xff\xfe",
        b'{"type":"ADDED","object":' + b"[" * 2000 + b"]" * 2000 + b"}",
    ],
)
async def test_a_line_that_cannot_be_read_leaves_its_length_and_a_keyed_digest(
    tmp_path: Path, line: bytes
) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.say("pods", line)
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "103" in seen(found))
        assert gaps(found) == ["decode"]
        [gap] = [row for row in await documents(watch.log) if row.fact == "gap"]
        assert (gap.data["bytes"], len(gap.data["hmac"])) == (len(line), 64)
        assert listings(found) == 1
        api.end_watches()
        found = await watch.until(lambda found: gaps(found, "closed") == ["decode"])
        assert listings(found) == 2
    assert "CANARY" not in str(await documents(watch.log))


async def test_a_stream_with_a_gap_has_no_cursor_to_go_on_from(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.say("pods", b"?")
        api.put("pods", "web-1")
        await watch.until(lambda found: "103" in seen(found))
        while "gap" not in [beat["state"] for beat in await heartbeats(watch)]:
            await watch.until(lambda _: True)
    rows = await documents(watch.log)
    cursors = [beat["cursor"] for beat in await heartbeats(watch) if beat["state"] == "gap"]
    assert set(cursors) == {None}
    assert rows[-1].data["mark"] == "stream-stop"
    assert rows[-1].data["cursor"] is None


async def test_a_flood_of_unreadable_lines_is_counted(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        for number in range(100):
            api.say("pods", b"?%d" % number)
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "202" in seen(found))
        assert gaps(found) == ["decode"] * 20
        api.end_watches()
        await watch.until(lambda found: len(gaps(found, "closed")) == 20)
        closing = [row.data for row in await documents(watch.log) if row.fact == "gap"][-1]
        assert closing["counts"] == {"listed": 2, "unreadable": 100}


async def test_an_item_that_cannot_be_read_leaves_the_snapshot_incomplete(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.put("pods", "web-0")
        api.put("pods", "web-1")["metadata"]["uid"] = ""
        async with watching(cluster, [PODS]) as watch:
            found = await watch.until(lambda found: listings(found) == 1)
            assert gaps(found) == ["decode"]
            rows = [row.data for row in await documents(watch.log)]
            assert [row["count"] for row in rows if row.get("mark") == "snapshot-end"] == [2]
            assert gaps(found, "closed") == []


async def test_fields_that_nobody_knows_are_kept(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.put("pods", "web-1", futureField={"deep": [1, 2.5, None, True]})
        await watch.until(lambda found: "102" in seen(found))
        record = next(row for row in await documents(watch.log) if row.resourceversion == "102")
        assert record.data["spec"] == {"futureField": {"deep": [1, 2.5, None, True]}}
        assert (record.data["kind"], record.data["apiVersion"]) == ("Pod", "v1")


async def test_a_server_that_repeats_its_past_does_not_move_the_cursor_back(
    tmp_path: Path,
) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        for _ in range(20):
            api.put("pods", "web-1")
        await watch.until(lambda found: "121" in seen(found))
        past = [line for _, line in api.history["pods"]]
        api.faults["watch", "pods"].append(saying(*past))
        api.end_watches()
        asked = len(api.requests("watch", "pods"))
        while len(api.requests("watch", "pods")) < asked + 2:
            await watch.until(lambda _: True)
        versions = [asked.query["resourceVersion"] for asked in api.requests("watch", "pods")]
        assert versions[-2:] == ["121", "121"]
        rows = [row for row in await documents(watch.log) if row.resourceversion == "121"]
        assert len({row.id for row in rows}) == 1
        assert len(rows) == 2


async def test_an_expired_page_begins_the_list_again_and_leaves_the_first_one_open(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.largest_page = 2
        for number in range(5):
            api.put("pods", f"web-{number}")
        api.faults["list", "pods"].extend([None, None, refusing(410, "Expired")])
        async with watching(cluster, [PODS]) as watch:
            found = await watch.until(lambda found: listings(found) == 1)
        assert [words[0] for words in found].count("snapshot-begin") == 2
        assert gaps(found) == []
        rows = [row for row in await documents(watch.log) if row.fact != "gap"]
        begun = [
            row.data["snapshot"] for row in rows if (row.data or {}).get("mark") == "snapshot-begin"
        ]
        ended = [row.data for row in rows if (row.data or {}).get("mark") == "snapshot-end"]
        assert [(end["snapshot"], end["count"]) for end in ended] == [(begun[1], 5)]
        members = [row.snapshot for row in rows if row.snapshot]
        assert (members.count(begun[0]), members.count(begun[1])) == (4, 5)


async def test_a_list_that_breaks_off_between_two_pages_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.largest_page = 2
        for number in range(5):
            api.put("pods", f"web-{number}")
        api.faults["list", "pods"].extend([None, answering(503), answering(503)])
        async with watching(cluster, [PODS]) as watch:
            found = await watch.until(lambda found: listings(found) == 1)
        assert [words[0] for words in found].count("snapshot-begin") == 1
        assert [words[0] for words in found].count("listed") == 5


async def test_a_list_whose_page_never_comes_never_ends_its_snapshot(tmp_path: Path) -> None:
    async with serving(tmp_path, deadlines=IMPATIENT) as (api, cluster):
        api.largest_page = 2
        for number in range(3):
            api.put("pods", f"web-{number}")
        api.faults["list", "pods"].append(None)
        api.always["list", "pods"] = never
        async with watching(cluster, [PODS]) as watch:
            while len(api.requests("list", "pods")) < 4:
                await watch.until(lambda _: True)
    assert await told(watch.log) == [
        ("stream-start", "pods/*"),
        ("snapshot-begin", "pods/*"),
        ("listed", "web-0", "101"),
        ("listed", "web-1", "102"),
        ("stream-stop", "pods/*"),
    ]


async def test_pages_of_different_versions_are_not_one_snapshot(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.largest_page = 1
        api.put("pods", "web-0")
        api.put("pods", "web-1")
        page = {"metadata": {"resourceVersion": "999"}, "items": []}
        wrong = answering(200, json.dumps(page), content_type="application/json")
        api.faults["list", "pods"].extend([None, wrong])
        async with watching(cluster, [PODS]) as watch:
            found = await watch.until(lambda found: listings(found) == 1)
        assert [words[0] for words in found].count("snapshot-begin") == 2


async def test_bookmarks_move_the_cursor_and_leave_no_record(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.put("statefulsets", "web")
        api.bookmark("pods")
        while (beats := await heartbeats(watch))[-1:] == [] or beats[-1]["cursor"] != "102":
            await watch.until(lambda _: True)
        api.end_watches()
        asked = len(api.requests("watch", "pods"))
        while len(api.requests("watch", "pods")) < asked + 1:
            await watch.until(lambda _: True)
        assert api.requests("watch", "pods")[-1].query["resourceVersion"] == "102"
        assert seen(await told(watch.log)) == {"101"}


async def test_without_bookmarks_a_quiet_stream_stays_live(tmp_path: Path) -> None:
    async with serving(tmp_path, deadlines=replace(QUICK, idle_seconds=0.7)) as (api, cluster):
        async with watching(cluster, [PODS], heartbeat_seconds=10.0) as watch:
            while len(api.requests("watch", "pods")) < 4:
                await watch.until(lambda _: True)
        states = [beat["state"] for beat in await heartbeats(watch)]
        assert len(states) > 5
        assert set(states[2:]) == {"live"}


async def test_an_error_that_stays_at_one_cursor_is_passed_by_a_list(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        fault = saying(error_line(500, "InternalError", "unable to decode"))
        api.faults["watch", "pods"].extend([fault] * 3)
        api.end_watches()
        found = await watch.until(lambda found: gaps(found, "closed") != [])
        assert gaps(found) == ["watch-error"]


async def test_deleted_and_made_again_in_a_gap_are_two_objects(tmp_path: Path) -> None:
    async with watching_pods(tmp_path) as (api, watch):
        api.delete("pods", "web-0")
        api.put("pods", "web-0")
        api.history["pods"].clear()
        api.forget("pods")
        api.cut()
        await watch.until(lambda found: gaps(found, "closed") != [])
        rows = [row for row in await documents(watch.log) if row.fact == "state"]
        assert len({row.objectuid for row in rows}) == len({row.subject for row in rows}) + 1


async def test_an_api_server_that_restarts_a_hundred_times_loses_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        streams = [PODS, STATEFUL_SETS]
        told_of: set[str] = set()
        async with watching(cluster, streams) as watch:
            await watch.until(lambda found: found.count(("snapshot-end", "statefulsets/*")) == 1)
            await watch.until(lambda found: listings(found) == 1)
            for number in range(100):
                plural = "pods" if number % 2 else "statefulsets"
                told_of.add(api.put(plural, f"web-{number % 7}")["metadata"]["resourceVersion"])
                if number % 3 == 0:
                    api.always["watch", plural] = answering(503, "starting")
                    api.cut()
                else:
                    api.always.clear()
                    api.end_watches()
                if number % 10 == 9:
                    await api.stop()
                    told_of.add(api.delete("pods", "web-1")["metadata"]["resourceVersion"])
                    api.put("pods", "web-1")
                    await api.start()
                await watch.until(lambda _: True)
            api.always.clear()
            last = api.versions("pods") | api.versions("statefulsets")
            found = await watch.until(lambda found: last <= seen(found))
        listed = [words for words in found if words[0] == "snapshot-end"]
        assert (told_of - seen(found), gaps(found), len(listed)) == (set(), [], 2)


async def test_what_the_log_holds_can_be_read_while_it_grows(tmp_path: Path) -> None:
    log = MemoryLog()
    async with serving(tmp_path) as (api, cluster):
        async with watching(cluster, [PODS], log=log):
            pass
        api.put("pods", "web-0")
        async with watching(cluster, [PODS], log=log, instance="bbbb0002") as watch:
            await watch.until(lambda found: "101" in seen(found))
    rows = await documents(log)
    assert {row.instance for row in rows} == {"aaaa0001", "bbbb0002"}
    for instance in ("aaaa0001", "bbbb0002"):
        numbers = [row.sequence for row in rows if row.instance == instance]
        assert numbers == list(range(1, len(numbers) + 1))
