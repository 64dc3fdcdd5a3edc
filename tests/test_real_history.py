"""Lost history, expired lists and missing bookmarks of a real API server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import msgspec

from ledger.answers import Expired
from ledger.cluster import Cluster
from ledger.deadlines import Deadlines
from ledger.lines import LongLine
from ledger.model import KIND_BY_PLURAL
from ledger.observe import Stream
from tests.cases import case
from tests.faults import row
from tests.lab.control_plane import ControlPlane
from tests.lab.users import WATCHER
from tests.real_watching import hasty, listed, recording, until
from tests.watching import gaps, seen

VOLUMES = Stream(KIND_BY_PLURAL["persistentvolumes"], "*")
PAGE_ITEMS = 5
WATCH_SECONDS = 4
COMPACTED_SECONDS = 30.0
SILENT = Deadlines(idle_seconds=0.5)


@dataclass
class Asked:
    """A real API server that was asked in small pages, and what it answered."""

    cluster: Cluster
    page_items: int = PAGE_ITEMS
    waits_for_expiry: bool = False
    pages: list[str] = field(default_factory=list)

    @property
    def skew_seconds(self) -> float | None:
        """As the cluster says."""
        return self.cluster.skew_seconds

    async def list_page(self, stream: Stream, token: str, *, limit: int) -> bytes:
        """A page of at most `page_items`; of the first list the second one only once etcd has
        compacted what it would be read from."""
        if token and self.waits_for_expiry:
            self.waits_for_expiry = False
            await self._expired(stream, token)
        try:
            page = await self.cluster.list_page(stream, token, limit=min(limit, self.page_items))
        except Expired:
            self.pages.append("expired")
            raise
        self.pages.append("next" if token else "first")
        return page

    def watch(
        self, stream: Stream, *, resource_version: str, timeout_seconds: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes | LongLine]]:
        """As the cluster does."""
        return self.cluster.watch(
            stream, resource_version=resource_version, timeout_seconds=timeout_seconds
        )

    async def _expired(self, stream: Stream, token: str) -> None:
        async with asyncio.timeout(COMPACTED_SECONDS):
            while True:
                try:
                    await self.cluster.list_page(stream, token, limit=1)
                except Expired:
                    return
                await asyncio.sleep(0.5)


@row("W24", how="etcd compacted between two pages of a list", part="real")
async def test_w24_a_list_whose_token_expires_is_begun_anew_and_nothing_of_it_counts(
    breakable: ControlPlane,
) -> None:
    made: list[Asked] = []

    def asked(cluster: Cluster) -> Asked:
        made.append(Asked(cluster, waits_for_expiry=True))
        return made[0]

    async with (
        writing(breakable),
        recording(breakable.kubeconfig(WATCHER), [VOLUMES], wrapped=asked) as watch,
    ):
        await listed(watch, [VOLUMES])
        found = await until(watch, lambda _: True)
    assert made[0].pages[:4] == ["first", "expired", "first", "next"]
    marks = [words[0] for words in found if words[0].startswith("snapshot-")]
    assert marks == ["snapshot-begin", "snapshot-begin", "snapshot-end"]
    assert gaps(found) == []


@case(70, stream="live")
@row("W1", how="etcd compacted while away; the API server answers 410 in the watch", part="real")
async def test_w01_a_cursor_that_etcd_has_compacted_is_one_gap_closed_by_a_list(
    breakable: ControlPlane,
) -> None:
    kubeconfig = breakable.kubeconfig(WATCHER)
    async with recording(kubeconfig, [VOLUMES]) as watch:
        await listed(watch, [VOLUMES])
        log, cursor = watch.log, watch.watcher.observers[0].cursor
    async with writing(breakable):
        await asyncio.to_thread(breakable.administer, "annotate", "pv/pv-002", "away=1")
        await asyncio.to_thread(breakable.administer, "annotate", "pv/pv-002", "away-")
        await expired(breakable, cursor)
    async with recording(kubeconfig, [VOLUMES], log=log) as watch:
        found = await until(watch, lambda found: gaps(found, "closed") != [])
    assert gaps(found) == gaps(found, "closed") == ["expired-410"]
    assert [words[0] for words in found if words[0] == "snapshot-end"] == ["snapshot-end"] * 2


@row("W27", how="--watch-cache-sizes=persistentvolumes#0: a kind that has none", part="real")
async def test_w27_a_silent_stream_without_bookmarks_is_asked_how_far_it_is_and_stays_live(
    breakable: ControlPlane,
) -> None:
    made: list[Asked] = []

    def asked(cluster: Cluster) -> Asked:
        made.append(Asked(cluster, page_items=1_000))
        return made[0]

    kubeconfig = breakable.kubeconfig(WATCHER)
    assert await bookmarks(kubeconfig, VOLUMES) == 0
    async with recording(
        kubeconfig, [VOLUMES], wrapped=asked, pace=hasty(), deadlines=SILENT
    ) as watch:
        await listed(watch, [VOLUMES])
        stream = watch.watcher.observers[0]
        heard_at = stream.seen_at
        await until(watch, lambda _: made[0].pages == ["first", "first"])
        await until(watch, lambda _: (stream.seen_at or "") > (heard_at or "") and stream.connected)
        assert stream.state == "live"
        await asyncio.to_thread(breakable.administer, "annotate", "pv/pv-003", "seen=1")
        found = await until(watch, lambda found: len(seen(found, "state")) == 1)
        assert gaps(found) == []
    await asyncio.to_thread(breakable.administer, "annotate", "pv/pv-003", "seen-")


@asynccontextmanager
async def writing(plane: ControlPlane) -> AsyncIterator[None]:
    """Something else is written all the time: etcd compacts only what is past."""

    async def write() -> None:
        for number in itertools.count():
            note = ("annotate", "ns/default", f"number={number}", "--overwrite")
            await asyncio.to_thread(plane.administer, *note)
            await asyncio.sleep(1.0)

    task = asyncio.create_task(write())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def expired(plane: ControlPlane, cursor: str) -> None:
    """Return once nothing can be watched from the cursor any more."""
    cluster = await Cluster.connect(str(plane.kubeconfig(WATCHER)), None)
    try:
        async with asyncio.timeout(COMPACTED_SECONDS):
            while b'"code":410' not in await first_line(cluster, cursor):
                continue  # each of these watches lasts a second
    finally:
        await cluster.close()


async def first_line(cluster: Cluster, cursor: str) -> bytes:
    """The first line of a watch of volumes; nothing if it says nothing for a second."""
    async with cluster.watch(VOLUMES, resource_version=cursor, timeout_seconds=1) as lines:
        async for line in lines:
            assert isinstance(line, bytes)
            return line
    return b""


async def bookmarks(kubeconfig: object, stream: Stream) -> int:
    """How many bookmarks a whole watch of a few seconds brings."""
    cluster = await Cluster.connect(str(kubeconfig), None)
    try:
        raw_page = await cluster.list_page(stream, "", limit=1)
        version = msgspec.json.decode(raw_page)["metadata"]["resourceVersion"]
        async with cluster.watch(
            stream, resource_version=version, timeout_seconds=WATCH_SECONDS
        ) as lines:
            return sum([b'"BOOKMARK"' in line async for line in lines if isinstance(line, bytes)])
    finally:
        await cluster.close()
