"""A watcher killed at any instant: what it leaves in the log is all that the next one needs.

Whatever is killed, the log is some first part of what would have been written; so every first part
is tried.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.cluster import Cluster
from ledger.log.memory import MemoryLog
from tests.fake_api import FakeApi
from tests.faults import row
from tests.watching import (
    PODS,
    STATEFUL_SETS,
    Told,
    documents,
    gaps,
    log_of,
    seen,
    serving,
    told,
    values,
    watching,
)

STREAMS = [PODS, STATEFUL_SETS]


def complete(found: list[Told]) -> bool:
    """Both streams have been listed."""
    return all(("snapshot-end", stream.key) in found for stream in STREAMS)


async def watched(api: FakeApi, cluster: Cluster) -> list[bytes]:
    """The log of a watcher that has seen a little of everything."""
    for number in range(4):
        api.put("pods", f"web-{number}")
    api.put("statefulsets", "web")
    async with watching(cluster, STREAMS, heartbeat_seconds=2.0) as watch:
        await watch.until(complete)
        for number in range(6):
            api.put("pods", f"web-{number}")
            api.put("statefulsets", "web")
        api.delete("pods", "web-3")
        await watch.until(lambda found: {"117", "118"} <= seen(found))
    return await values(watch.log)


def left_out(api: FakeApi, found: list[Told]) -> set[str]:
    """Versions after each stream's first complete snapshot that were told by nobody."""
    missing: set[str] = set()
    for stream in STREAMS:
        at = found.index(("snapshot-end", stream.key))
        names = {line for _, line in api.history[stream.kind.plural]}
        assert names
        first = max(int(words[2]) for words in found[:at] if words[0] == "listed")
        versions = {version for version, _ in api.history[stream.kind.plural] if version > first}
        missing |= {str(version) for version in versions} - seen(found)
    return missing


@row("W16", how="log cut after each of its records, a watcher started on what is left", part="fake")
async def test_w16_a_watcher_killed_after_any_record_loses_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        whole = await watched(api, cluster)
        assert api.put("pods", "web-9")["metadata"]["resourceVersion"] == "119"
        assert len(whole) > 25
        for count in range(len(whole) + 1):
            log = await log_of(whole[:count])
            async with watching(cluster, STREAMS, log=log, instance=f"bbbb{count:04}") as watch:
                found = await watch.until(
                    lambda found: complete(found) and {"117", "119"} <= seen(found)
                )
            assert (count, left_out(api, found), gaps(found)) == (count, set(), [])


@row(
    "W17",
    how="history dropped between two runs, the second one cut after each record",
    part="fake",
)
async def test_w17_away_for_longer_than_history_is_one_gap_for_each_stream(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (api, cluster):
        whole = await watched(api, cluster)
        api.delete("pods", "web-0")
        api.put("pods", "web-9")
        api.forget("pods", "statefulsets")
        log = await log_of(whole)
        async with watching(cluster, STREAMS, log=log, instance="bbbb0002") as watch:
            await watch.until(lambda found: len(gaps(found, "closed")) == 2)
        again = await values(log)
        for count in range(len(whole), len(again) + 1):
            log = await log_of(again[:count])
            async with watching(cluster, STREAMS, log=log, instance="cccc0003") as watch:
                found = await watch.until(
                    lambda found: (
                        all(("stream-start", stream.key) in found[-30:] for stream in STREAMS)
                        and versions(api) <= seen(found)
                        and found.count(("snapshot-end", "pods/*")) >= 2
                        and found.count(("snapshot-end", "statefulsets/*")) >= 2
                    )
                )
            assert (count, gaps(found)) == (count, ["expired-410"] * 2)


def versions(api: FakeApi) -> set[str]:
    """The newest version of everything there is."""
    return api.versions("pods") | api.versions("statefulsets")


@row("W17", how="history dropped between two runs", part="fake")
async def test_w17_a_gap_says_when_the_server_was_last_heard_by_whoever_was_there(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (api, cluster):
        whole = await watched(api, cluster)
        api.forget("pods", "statefulsets")
        log = await log_of(whole)
        async with watching(cluster, [PODS], log=log, instance="bbbb0002") as watch:
            await watch.until(lambda found: gaps(found, "closed") != [])
        rows = await documents(log)
        last = [row for row in rows if row.instance == "aaaa0001" and "pods" in row.subject]
        seen_states = [row for row in last if row.fact in ("state", "deleted")]
        gap = next(row.data for row in rows if row.fact == "gap")
        assert gap["last_resource_version"] == seen_states[-1].resourceversion
        assert gap["last_seen_at"] == last[-1].time


@row("W29", how="two watchers, one log", part="fake")
async def test_w29_two_watchers_side_by_side_are_no_gap(tmp_path: Path) -> None:
    async with serving(tmp_path) as (api, cluster):
        log = MemoryLog()
        async with (
            watching(cluster, STREAMS, log=log) as one,
            watching(cluster, STREAMS, log=log, instance="bbbb0002"),
        ):
            await one.until(
                lambda found: all(found.count(("snapshot-end", s.key)) == 2 for s in STREAMS)
            )
            for number in range(20):
                api.put("pods", f"web-{number % 3}")
            await one.until(lambda found: [*found].count(("state", "web-1", "120")) == 2)
        found = await told(log)
        assert gaps(found) == []


@pytest.mark.parametrize("namespaces", [1, 2])
async def test_a_stream_that_is_new_is_listed_and_the_others_go_on(
    tmp_path: Path, namespaces: int
) -> None:
    async with serving(tmp_path) as (api, cluster):
        log = MemoryLog()
        async with watching(cluster, [PODS], log=log) as watch:
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
        async with watching(cluster, STREAMS[:namespaces], log=log, instance="bbbb0002") as watch:
            api.put("pods", "web-0")
            await watch.until(lambda found: "101" in seen(found))
        modes = [
            (row.subject, row.data["mode"])
            for row in await documents(log)
            if row.fact == "coverage" and row.data["mark"] == "stream-start"
        ]
        assert (
            modes
            == [
                ("coverage/pods/*", "listed"),
                ("coverage/pods/*", "resumed"),
                ("coverage/statefulsets/*", "listed"),
            ][: namespaces + 1]
        )
