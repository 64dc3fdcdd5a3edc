"""A watcher inside the test, on a real API server: for faults that are looked at as they happen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from ledger.cluster import Cluster
from ledger.deadlines import Deadlines
from ledger.envelope import Document
from ledger.log.memory import MemoryLog
from ledger.model import NOWHERE
from ledger.observe import Observer, Stream
from ledger.pace import Pace
from ledger.redaction import Redactor
from ledger.resume import read_resume
from ledger.watch import ApiServer
from ledger.watcher import Watcher
from tests.invariants import examine
from tests.lab.driver import Driver
from tests.real import CANARY
from tests.watching import Told, Watching, documents, told

PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.05
SPEED = 20.0
"""How much faster than in life a watcher waits, where a test waits for its waits."""

Wrapped = Callable[[Cluster], ApiServer]


def hasty() -> Pace:
    """Waits a twentieth as long as in life."""
    return Pace(
        monotonic=lambda: time.monotonic() * SPEED,
        sleep=lambda seconds: asyncio.sleep(seconds / SPEED),
    )


@asynccontextmanager
async def recording(
    kubeconfig: Path,
    streams: Sequence[Stream],
    *,
    log: MemoryLog | None = None,
    pace: Pace | None = None,
    deadlines: Deadlines | None = None,
    wrapped: Wrapped = lambda cluster: cluster,
) -> AsyncIterator[Watching]:
    """A watcher with this kubeconfig, at its real pace unless told otherwise; once it has ended,
    everything it recorded is examined.
    """
    log = log or MemoryLog()
    cluster = await Cluster.connect(str(kubeconfig), None, deadlines=deadlines)
    try:
        identity = await cluster.identity()
        resume = await read_resume(log, streams, cluster=identity)
        seen_before = await log.head()
        redactor = Redactor("secrets", "00", b"k")
        observer = Observer(identity, f"real{seen_before + 1:04}", redactor, resume.epoch)
        watcher = Watcher(
            wrapped(cluster), log, observer, streams, resume.cursors, pace=pace or Pace()
        )
        stop = asyncio.Event()
        task = asyncio.create_task(watcher.run(stop))
        try:
            yield Watching(watcher, log, task)
        finally:
            if not task.done():
                stop.set()
            await task
    finally:
        await cluster.close()
    examine([record.value for record in await log.read(NOWHERE, 1_000_000)], secrets=[CANARY])


async def until(watch: Watching, true: Callable[[list[Told]], bool]) -> list[Told]:
    """What was told, as soon as it is as asked for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true(found := await told(watch.log)):
        if watch.task.done():
            watch.task.result()
        if time.monotonic() > deadline:
            raise AssertionError("\n".join(map(str, found)))
        await asyncio.sleep(POLL_SECONDS)
    return found


def alive(rows: Sequence[Document]) -> dict[str, str]:
    """What the records say there is: the newest version of every object not deleted, by uid."""
    newest: dict[str, Document] = {}
    for row in rows:
        if row.fact not in ("state", "deleted") or "/events/" in row.subject:
            continue
        before = newest.get(row.objectuid)
        if before is None or row.version_number >= before.version_number:
            newest[row.objectuid] = row
    return {uid: row.resourceversion for uid, row in newest.items() if row.fact == "state"}


async def caught_up(watch: Watching, driver: Driver) -> None:
    """Return once the records say what the API says."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        wanted = await asyncio.to_thread(driver.live_versions)
        found = alive(await documents(watch.log))
        if {uid: found.get(uid) for uid in wanted} == wanted:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"the API has {wanted}, the records {found}")
        await asyncio.sleep(POLL_SECONDS)


async def listed(watch: Watching, streams: Sequence[Stream]) -> None:
    """Return once every stream has a complete snapshot."""
    await until(
        watch, lambda found: all(("snapshot-end", stream.key) in found for stream in streams)
    )
