"""The watcher process: order, heartbeats, a slow or broken log, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ledger.envelope import Envelope
from ledger.errors import LogUnreachable, LogUnusable, OtherCluster
from ledger.keep import FILTER_VERSION
from ledger.log.memory import MemoryLog
from ledger.model import Position
from ledger.outbox import Outbox
from ledger.standing import OpenGap, Standing
from tests.fake_api import CLUSTER
from tests.faults import row
from tests.watching import (
    PODS,
    STATEFUL_SETS,
    Watching,
    documents,
    fast,
    gaps,
    seen,
    serving,
    told,
    watching,
)


class SlowLog(MemoryLog):
    """A log that takes its time, or fails as told, before it keeps anything."""

    def __init__(self, *, seconds: float = 0.0, failures: Sequence[Exception] = ()) -> None:
        super().__init__()
        self.seconds = seconds
        self.failures = list(failures)
        self.batches: list[int] = []

    async def append(self, envelopes: Sequence[Envelope]) -> Position:
        await asyncio.sleep(self.seconds)
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(len(envelopes))
        return await super().append(envelopes)


async def last_entries(watch: Watching) -> list[dict[str, Any]]:
    """What the last heartbeat said of each stream."""
    rows = [row.data for row in await documents(watch.log) if row.fact == "coverage"]
    beats = [row["streams"] for row in rows if row["mark"] == "heartbeat"]
    return beats[-1] if beats else []


async def test_every_stream_says_that_it_starts_before_anything_else(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, cluster):
        async with watching(cluster, [PODS, STATEFUL_SETS]) as watch:
            pass
        first, second, *_ = await documents(watch.log)
        assert (first.subject, second.subject) == ("coverage/pods/*", "coverage/statefulsets/*")
        assert first.data == {
            "mark": "stream-start",
            "mode": "listed",
            "cursor": None,
            "kind": "pods",
            "scope": "*",
            "filter": FILTER_VERSION,
            "redaction": {"policy": "secrets", "key": "0a1b2c3d", "rules": ""},
            "tool": first.data["tool"],
        }


async def test_an_orderly_end_is_said_for_every_stream_and_comes_last(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        async with watching(cluster, [PODS, STATEFUL_SETS], log=SlowLog(seconds=0.02)) as watch:
            await watch.until(lambda found: ("snapshot-end", "statefulsets/*") in found)
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
            for _ in range(50):
                api.put("pods", "web-0")
            await watch.until(lambda found: "150" in seen(found))
        *_, last, very_last = await documents(watch.log)
        assert [row.data["mark"] for row in (last, very_last)] == ["stream-stop"] * 2
        assert (last.data["cursor"], very_last.data["cursor"]) == ("150", "100")


async def test_being_cancelled_is_an_orderly_end_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, cluster):
        async with watching(cluster, [PODS]) as watch:
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
            watch.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await watch.task
        assert (await told(watch.log))[-1] == ("stream-stop", "pods/*")


async def test_a_heartbeat_speaks_only_of_what_is_in_the_log_before_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        log = SlowLog(seconds=0.003)
        async with watching(cluster, [PODS], log=log, heartbeat_seconds=0.5) as watch:
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
            for _ in range(100):
                api.put("pods", "web-0")
                await asyncio.sleep(0.001)
            await watch.until(lambda found: "200" in seen(found))
        newest, beats = 0, 0
        for row in await documents(log):
            if row.fact == "state" and not row.snapshot:
                newest = int(row.resourceversion)
            elif row.data["mark"] == "snapshot-end":
                newest = int(row.data["resource_version"])
            elif row.data["mark"] == "heartbeat":
                beats += 1
                [entry] = row.data["streams"]
                assert int(entry["cursor"] or 0) <= newest
        assert beats > 5


async def test_a_heartbeat_tells_every_stream_and_what_was_none_of_ours(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        api.put("pods", "lone")["metadata"]["labels"] = {}
        async with watching(cluster, [PODS, STATEFUL_SETS], heartbeat_seconds=1.0) as watch:
            await watch.until(lambda found: ("snapshot-end", "statefulsets/*") in found)
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
            while [entry["state"] for entry in await last_entries(watch)] != ["live"] * 2:
                await watch.until(lambda _: True)
        rows = [row.data for row in await documents(watch.log)]
        beat = [row for row in rows if row["mark"] == "heartbeat"][-1]
        assert beat["dropped"] == {"pods": 1}
        assert [(entry["kind"], entry["cursor"], entry["state"]) for entry in beat["streams"]] == [
            ("pods", "101", "live"),
            ("statefulsets", "101", "live"),
        ]


async def test_a_server_that_is_away_shows_in_the_next_heartbeat(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        async with watching(cluster, [PODS], heartbeat_seconds=1.0) as watch:
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
            await api.stop()

            while [entry["state"] for entry in await last_entries(watch)] != ["reconnecting"]:
                await watch.until(lambda _: True)
            await api.start()
            while [entry["state"] for entry in await last_entries(watch)] != ["live"]:
                await watch.until(lambda _: True)
        assert gaps(await told(watch.log)) == []


@row(
    "W32", how="acknowledgements held back by 10 s of the watcher's clock, 400 changes", part="fake"
)
async def test_w32_a_slow_log_slows_the_api_down_and_memory_stays_bounded(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        log = SlowLog(seconds=0.05)
        async with watching(cluster, [PODS, STATEFUL_SETS], log=log) as watch:
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
            watch.watcher.outbox.limit_records = 40
            largest, note = 0, "x" * 20_000
            for number in range(400):
                api.put("pods", f"web-{number % 5}", note=note)
                await asyncio.sleep(0)
                largest = max(largest, watch.watcher.outbox.waiting)
            await watch.until(lambda found: "500" in seen(found))
        # The bound, and what each stream and the heartbeat had in hand.
        assert largest <= 40 + 3
        versions = [int(words[2]) for words in await told(log) if words[0] == "state"]
        assert versions == list(range(101, 501))


@row("W32", how="acknowledgements held back by 100 s of the watcher's clock", part="fake")
async def test_w32_heartbeats_do_not_pile_up_behind_a_log_that_hangs(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, cluster):
        log = SlowLog(seconds=0.5)
        async with watching(cluster, [PODS], log=log, heartbeat_seconds=0.2) as watch:
            watch.watcher.outbox.limit_records = 5
            await asyncio.sleep(0.3)
            assert watch.watcher.outbox.waiting <= 6


@row("W32", how="acknowledgements held back while history is dropped", part="fake")
async def test_w32_history_that_is_lost_behind_a_slow_log_is_a_gap(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        log = SlowLog(seconds=0.05)
        async with watching(cluster, [PODS], log=log) as watch:
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
            watch.watcher.outbox.limit_records = 10
            for _ in range(100):
                api.put("pods", "web-0", note="x" * 100_000)
            await watch.until(lambda found: len(seen(found)) > 3)
            api.forget("pods")
            api.cut()
            found = await watch.until(lambda found: gaps(found, "closed") != [])
        assert gaps(found) == ["expired-410"]


async def test_a_log_that_cannot_be_reached_gets_the_same_records_in_the_same_order(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (api, cluster):
        log = SlowLog(failures=[LogUnreachable("the broker is away")] * 20)
        for number in range(30):
            api.put("pods", f"web-{number}")
        async with watching(cluster, [PODS], log=log) as watch:
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
        numbers = [row.sequence for row in await documents(log)]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_a_log_that_cannot_be_used_ends_the_process(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, cluster):
        log = SlowLog(failures=[LogUnusable("the topic is gone")])
        async with watching(cluster, [PODS], log=log) as watch:
            with pytest.raises(LogUnusable, match="the topic is gone"):
                await watch.task
        assert await documents(log) == []


async def test_an_api_server_that_became_another_ends_the_process(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        await cluster.identity()
        async with watching(cluster, [PODS]) as watch:
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
            api.cluster = "another"
            api.kubeconfig(tmp_path)
            api.end_watches()
            with pytest.raises(OtherCluster):
                await watch.task
        assert ("stream-stop", "pods/*") not in await told(watch.log)


async def test_a_cursor_of_another_filter_is_a_gap_and_a_list(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, cluster):
        standing = Standing("50", "2026-01-01T00:00:00.000000Z", (), True)
        async with watching(cluster, [PODS], standings={PODS.key: standing}) as watch:
            await watch.until(lambda found: gaps(found, "closed") != [])
        start, gap, *_ = await documents(watch.log)
        assert (start.data["mode"], start.data["cursor"]) == ("listed", None)
        assert (gap.data["cause"], gap.data["last_resource_version"]) == ("filter-changed", "50")
        assert gap.data["last_seen_at"] == "2026-01-01T00:00:00.000000Z"


async def test_a_gap_that_was_open_is_closed_by_the_next_process(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, cluster):
        standing = Standing("50", "", (OpenGap("cccc0003/7", "expired-410"),))
        async with watching(cluster, [PODS], standings={PODS.key: standing}) as watch:
            await watch.until(lambda found: gaps(found, "closed") != [])
        rows = await documents(watch.log)
        assert rows[0].data["mode"] == "listed"
        closed = next(row.data for row in rows if row.fact == "gap")
        assert (closed["state"], closed["gap"]) == ("closed", "cccc0003/7")
        assert rows[-1].data["cursor"] == "100"
        assert rows[0].source == f"/clusters/{CLUSTER}"


async def test_batches_are_of_what_has_arrived_and_bounded() -> None:
    log = SlowLog(seconds=0.005)
    outbox = Outbox(log, fast())
    appending = asyncio.create_task(outbox.run())
    for number in range(1_200):
        outbox.put(Envelope(str(number), b"{}"))
    for number in range(4):
        outbox.put(Envelope(str(number), b"x" * 600_000))
    outbox.close()
    await appending
    assert log.batches == [500, 500, 201, 1, 1, 1]
    assert (outbox.appended, outbox.waiting) == (1_204, 0)


async def test_the_outbox_appends_at_once_what_comes_alone() -> None:
    log = SlowLog()
    outbox = Outbox(log, fast())
    appending = asyncio.create_task(outbox.run())
    for number in range(3):
        outbox.put(Envelope(str(number), b"{}"))
        for _ in range(20):
            await asyncio.sleep(0)
    outbox.close()
    await appending
    assert log.batches == [1, 1, 1]
