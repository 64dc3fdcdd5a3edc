"""Connections that break, end or fall silent: nothing is lost or invented, nobody is flooded."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from tests.fake_api import (
    answering,
    error_line,
    saying,
)
from tests.faults import row
from tests.watching import (
    IMPATIENT,
    PODS,
    QUICK,
    SPEED,
    STATEFUL_SETS,
    gaps,
    heartbeats,
    listings,
    seen,
    serving,
    told,
    watching,
    watching_pods,
)


async def half_a_line(folder: Path, *, then: str) -> None:
    """A watch of one whole line and half of another that ends so."""
    async with watching_pods(folder, deadlines=IMPATIENT) as (api, watch):
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


@row("W4", how="connection reset after half a line", part="fake")
async def test_w04_half_a_line_before_a_reset_is_neither_lost_nor_invented(tmp_path: Path) -> None:
    await half_a_line(tmp_path, then="abort")


@row("W5", how="answer ended in order after half a line", part="fake")
async def test_w05_half_a_line_before_an_end_is_neither_lost_nor_invented(tmp_path: Path) -> None:
    await half_a_line(tmp_path, then="end")


@row("W3", how="silence after half a line, connection open", part="fake")
async def test_w03_half_a_line_before_silence_is_neither_lost_nor_invented(tmp_path: Path) -> None:
    await half_a_line(tmp_path, then="silence")


@row("W3", how="a watch that never says anything and never ends", part="fake")
async def test_w03_a_silent_watch_is_asked_for_again_and_nothing_is_a_gap(tmp_path: Path) -> None:
    async with watching_pods(tmp_path, deadlines=IMPATIENT) as (api, watch):
        api.faults["watch", "pods"].append(saying(then="silence"))
        api.end_watches()
        api.put("pods", "web-1")
        found = await watch.until(lambda found: "102" in seen(found))
        assert (gaps(found), listings(found)) == ([], 1)


@row("W6", how="every watch ends at once, empty or after one repeated line", part="fake")
async def test_w06_watches_that_end_at_once_are_asked_for_ten_times_in_thirty_seconds_at_most(
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


@row("W27", how="server that sends no bookmarks", part="fake")
async def test_w27_without_bookmarks_a_quiet_stream_stays_live(tmp_path: Path) -> None:
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


@row(
    "W15",
    how="100 of: connections cut, watches ended, 503, the server stopped and started",
    part="fake",
)
async def test_w15_an_api_server_that_restarts_a_hundred_times_loses_nothing(
    tmp_path: Path,
) -> None:
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
