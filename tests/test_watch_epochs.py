"""A cluster that is restored from a backup: its resourceVersions begin again, in a new epoch."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from ledger.log.memory import MemoryLog
from ledger.model import EPOCH_SPAN
from ledger.watch import COMPARE_SECONDS
from tests.disasters import back_up, restore
from tests.fake_api import FakeApi, answering
from tests.faults import row
from tests.watching import (
    PODS,
    STATEFUL_SETS,
    Clocks,
    Told,
    Watching,
    asked,
    documents,
    gaps,
    ledger_of,
    listings,
    log_of,
    seen,
    serving,
    told,
    values,
    watching,
)

OBJECTS = "select name, uid, resource_version, deleted_how from objects order by uid"
GAPS = "select cause, kind, last_version, next_version, closed_at is null from gaps order by id"


def in_second(version: int) -> int:
    """A version of the second epoch, as the ledger has it."""
    return EPOCH_SPAN + version


async def restored(api: FakeApi, watch: Watching) -> None:
    """A cluster with a backup at 103, put back after pods were made and deleted behind it."""
    for number in range(3):
        api.put("pods", f"web-{number}")
    backup = back_up(api)
    api.delete("pods", "web-0")
    api.put("pods", "web-1", image="lost")
    api.put("pods", "web-9")
    await watch.until(lambda found: "106" in seen(found))
    await api.stop()
    restore(api, backup)
    await api.start()


def rolled_back(found: list[Told], watchers: int = 1) -> bool:
    """The gap of the restoration is closed."""
    return gaps(found, "closed") == ["rv-rollback"] * watchers


@row("W23", how="objects and version put back to a backup, history gone, restarted", part="fake")
async def test_w23_a_restored_cluster_goes_on_in_a_new_epoch(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster), watching(cluster, [PODS]) as watch:
        await watch.until(lambda found: listings(found) == 1)
        await restored(api, watch)
        found = await watch.until(rolled_back)
        # 104 was a deletion, 105 another pod's change, 106 a pod that no longer is.
        assert api.put("pods", "web-2", image="new")["metadata"]["resourceVersion"] == "104"
        api.delete("pods", "web-1")
        api.put("pods", "later")
        await watch.until(lambda found: ("state", "later", "106") in found)
        ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
        epochs = {row.epoch for row in await documents(watch.log)}
    assert (gaps(found), epochs, listings(found)) == (["rv-rollback"], {1, 2}, 2)
    assert asked(ledger, OBJECTS) == [
        ("later", "uid-later-106", in_second(106), None),
        ("web-0", "uid-web-0-101", in_second(101), None),
        ("web-1", "uid-web-1-102", in_second(105), "observed"),
        ("web-2", "uid-web-2-103", in_second(104), None),
        ("web-9", "uid-web-9-106", 106, "inferred"),
    ]
    assert asked(ledger, GAPS) == [("rv-rollback", "pods", 106, in_second(103), 0)]


@row("W23", how="connections cut, then nothing said by the restored server", part="fake")
async def test_w23_silence_at_a_cursor_of_the_future_is_asked_about(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster), watching(cluster, [PODS]) as watch:
        await watch.until(lambda found: listings(found) == 1)
        backup = back_up(api)
        for number in range(5):
            api.put("pods", f"web-{number}")
        await watch.until(lambda found: "105" in seen(found))
        restore(api, backup)
        while not rolled_back(await told(watch.log)):
            api.end_watches()
            await watch.until(lambda _: True)
        ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    ends = asked(ledger, "select deleted_how, count(*) from objects group by 1")
    assert ends == [("inferred", 5)]


@row("W23", how="restored between two runs of the watcher", part="fake")
async def test_w23_a_watcher_that_was_away_finds_the_new_epoch(tmp_path: Path) -> None:
    log = MemoryLog()
    async with serving(tmp_path) as (api, cluster):
        backup = back_up(api)
        async with watching(cluster, [PODS], log=log) as watch:
            await watch.until(lambda found: listings(found) == 1)
            api.put("pods", "web-0")
            await watch.until(lambda found: "101" in seen(found))
        restore(api, backup)
        api.put("pods", "web-1")
        api.version -= 1
        async with watching(cluster, [PODS], log=log, instance="bbbb0002") as watch:
            while not rolled_back(await told(watch.log)):
                api.end_watches()
                await watch.until(lambda _: True)
            ledger = await ledger_of(log, tmp_path / "ledger.db")
    assert asked(ledger, "select name, deleted_how from objects order by name") == [
        ("web-0", "inferred"),
        ("web-1", None),
    ]


@row("W23", how="restored, the log cut after each record since, a watcher started", part="fake")
async def test_w23_a_watcher_killed_after_any_record_of_it_goes_on_in_the_new_epoch(
    tmp_path: Path,
) -> None:
    streams = [PODS, STATEFUL_SETS]
    async with serving(tmp_path) as (api, cluster):
        api.put("statefulsets", "web")
        async with watching(cluster, streams) as watch:
            await watch.until(lambda found: listings(found) == 1)
            await watch.until(lambda found: listings(found, "statefulsets/*") == 1)
            api.put("statefulsets", "web", replicas=2)
            backup = back_up(api)
            api.put("statefulsets", "web", replicas=3)
            api.put("pods", "web-0")
            await watch.until(lambda found: {"103", "104"} <= seen(found))
            before = len(await values(watch.log))
            await api.stop()
            restore(api, backup)
            await api.start()
            await watch.until(lambda found: rolled_back(found, 2))
            api.put("pods", "web-1")
            await watch.until(lambda found: ("state", "web-1", "103") in found)
        whole = await values(watch.log)
        for count in range(before, len(whole) + 1):
            log = await log_of(whole[:count])
            async with watching(cluster, streams, log=log, instance=f"bbbb{count:04}") as again:
                while {stream.state for stream in again.watcher.observers} != {"live"} or not (
                    await is_second(log, "103")
                ):
                    api.end_watches()
                    for _ in range(5):
                        await again.until(lambda _: True)
                        await asyncio.sleep(0.005)
            ledger = await ledger_of(log, tmp_path / f"{count}.db")
            assert asked(ledger, OBJECTS) == [
                ("web-0", "uid-web-0-104", 104, "inferred"),
                ("web-1", "uid-web-1-103", in_second(103), None),
                ("web", "uid-web-101", in_second(102), None),
            ], count
            assert asked(ledger, "select cause, closed_at is null from gaps") == [
                ("rv-rollback", 0),
                ("rv-rollback", 0),
            ], count


async def is_second(log: MemoryLog, version: str) -> bool:
    """A state of this version was told in the second epoch."""
    return any((row.epoch, row.resourceversion) == (2, version) for row in await documents(log))


@row("W23", how="restored under two watchers of one log", part="fake")
async def test_w23_two_watchers_are_in_the_same_new_epoch(tmp_path: Path) -> None:
    log = MemoryLog()
    async with (
        serving(tmp_path) as (api, cluster),
        watching(cluster, [PODS], log=log) as one,
        watching(cluster, [PODS], log=log, instance="bbbb0002"),
    ):
        await one.until(lambda found: listings(found) == 2)
        await restored(api, one)
        await one.until(lambda found: rolled_back(found, 2))
        api.put("pods", "web-1", image="new")
        await one.until(lambda found: found.count(("state", "web-1", "104")) == 2)
        ledger = await ledger_of(log, tmp_path / "ledger.db")
    found = {(row.instance, row.epoch) for row in await documents(log)}
    assert found == {(name, epoch) for name in ("aaaa0001", "bbbb0002") for epoch in (1, 2)}
    assert asked(ledger, OBJECTS) == [
        ("web-0", "uid-web-0-101", in_second(101), None),
        ("web-1", "uid-web-1-102", in_second(104), None),
        ("web-2", "uid-web-2-103", in_second(103), None),
        ("web-9", "uid-web-9-106", 106, "inferred"),
    ]


@row("W23", how="restored twice", part="fake")
async def test_w23_a_second_restoration_is_a_third_epoch(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster), watching(cluster, [PODS]) as watch:
        await watch.until(lambda found: listings(found) == 1)
        await restored(api, watch)
        await watch.until(rolled_back)
        backup = back_up(api)
        api.delete("pods", "web-0")
        api.put("pods", "fresh")
        await watch.until(lambda found: ("state", "fresh", "105") in found)
        await api.stop()
        restore(api, backup)
        await api.start()
        await watch.until(lambda found: rolled_back(found, 2))
        ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    ends = "select name, deleted_how from objects order by name"
    assert asked(ledger, ends) == [
        ("fresh", "inferred"),
        ("web-0", None),
        ("web-1", None),
        ("web-2", None),
        ("web-9", "inferred"),
    ]


@row("W23", how="one list of a version that lies behind, then the truth", part="fake")
async def test_w23_one_answer_from_the_past_is_no_restoration(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster), watching(cluster, [PODS]) as watch:
        await watch.until(lambda found: listings(found) == 1)
        api.put("pods", "web-0")
        await watch.until(lambda found: "101" in seen(found))
        page = json.dumps({"metadata": {"resourceVersion": "99"}, "items": []})
        stale = answering(200, page, content_type="application/json")
        api.faults["list", "pods"].append(stale)
        api.forget("pods")
        api.cut()
        found = await watch.until(lambda found: gaps(found, "closed") != [])
    assert gaps(found) == ["expired-410"]
    assert {row.epoch for row in await documents(watch.log)} == {1}


@row("W23", how="restored, and written past the old cursor before anyone asked", part="fake")
async def test_w23_versions_that_have_passed_the_cursor_again_do_not_hide_it(
    tmp_path: Path,
) -> None:
    clocks = Clocks()
    sets = "statefulsets/*"
    async with serving(tmp_path) as (api, cluster):
        api.put("statefulsets", "web")
        async with watching(cluster, [STATEFUL_SETS], pace=clocks.pace()) as watch:
            await watch.until(lambda found: listings(found, sets) == 1)
            backup = back_up(api)
            api.put("statefulsets", "web", replicas=5)
            api.put("statefulsets", "db")
            await watch.until(lambda found: "103" in seen(found))
            restore(api, backup)
            api.version = 110
            # Once an hour a list checks the watch; the second that contradicts it is believed.
            while not rolled_back(await told(watch.log)):
                clocks.passed_seconds += 2 * COMPARE_SECONDS
                api.end_watches()
                await asyncio.sleep(0.02)
                await watch.until(lambda _: True)
            ledger = await ledger_of(watch.log, tmp_path / "ledger.db")
    web = "select resource_version, deleted_how from objects order by name"
    assert asked(ledger, web) == [(103, "inferred"), (in_second(101), None)]
