"""A watcher at work in a test: fast clocks, a fake API server, and its log in readable form."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.cluster import Cluster
from ledger.deadlines import Deadlines
from ledger.envelope import Document, parse
from ledger.log import Log
from ledger.log.memory import MemoryLog
from ledger.model import KIND_BY_PLURAL, NOWHERE
from ledger.observe import Observer, Stream
from ledger.pace import Pace
from ledger.redaction import Redactor
from ledger.resume import read_resume
from ledger.stream import Standing
from ledger.watcher import Watcher
from tests.fake_api import CLUSTER, FakeApi
from tests.recorded import KEY, KEY_ID

SPEED = 200.0
"""Seconds of a test's watcher in one real second."""

PATIENCE_SECONDS = 10.0
QUICK = Deadlines(
    connect_seconds=2.0, read_seconds=2.0, answer_seconds=2.0, idle_seconds=2.0, login_seconds=5.0
)
STATEFUL_SETS = Stream(KIND_BY_PLURAL["statefulsets"], "*")
PODS = Stream(KIND_BY_PLURAL["pods"], "*")
VOLUMES = Stream(KIND_BY_PLURAL["persistentvolumes"], "*")

Told = tuple[str, ...]


def fast(speed: float = SPEED) -> Pace:
    """Clocks and waits that run `speed` times as fast as real ones."""
    return Pace(
        monotonic=lambda: time.monotonic() * speed,
        sleep=lambda seconds: asyncio.sleep(seconds / speed),
        random=random.Random(1).random,
    )


def observer(instance: str = "aaaa0001", cluster: str = CLUSTER) -> Observer:
    """An observer with a key of its own."""
    return Observer(cluster, instance, Redactor("secrets", KEY_ID, KEY))


@dataclass
class Watching:
    """A watcher that runs, and what it has told so far."""

    watcher: Watcher
    log: Any
    task: asyncio.Task[None]

    async def until(self, true: Callable[[list[Told]], bool]) -> list[Told]:
        """What was told, as soon as it is as asked for."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not true(found := await told(self.log)):
            if self.task.done():
                self.task.result()
            if time.monotonic() > deadline:
                raise AssertionError("\n".join(map(str, found)))
            await asyncio.sleep(0.005)
        return found


@asynccontextmanager
async def serving(
    folder: Path, *, deadlines: Deadlines = QUICK
) -> AsyncIterator[tuple[FakeApi, Cluster]]:
    """A fake API server and a connection to it."""
    api = FakeApi()
    await api.start()
    cluster = await Cluster.connect(str(api.kubeconfig(folder)), None, deadlines=deadlines)
    try:
        yield api, cluster
    finally:
        await cluster.close()
        await api.stop()


@asynccontextmanager
async def watching(
    cluster: Cluster,
    streams: Sequence[Stream],
    *,
    log: Log | None = None,
    instance: str = "aaaa0001",
    heartbeat_seconds: float = 15.0,
    standings: Mapping[str, Standing] | None = None,
) -> AsyncIterator[Watching]:
    """A watcher that goes on where the log ends (or as told), and is stopped in order on the way
    out; unless it has ended before, then the test has looked at why.
    """
    log = log or MemoryLog()
    if standings is None:
        standings = (await read_resume(log, streams, cluster=CLUSTER)).cursors
    watcher = Watcher(
        cluster,
        log,
        observer(instance),
        streams,
        standings,
        heartbeat_seconds=heartbeat_seconds,
        pace=fast(),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(watcher.run(stop))
    try:
        yield Watching(watcher, log, task)
    finally:
        if not task.done():
            stop.set()
            await task


async def documents(log: Log) -> list[Document]:
    """Every record of a log, read back."""
    return [parse(record.value) for record in await log.read(NOWHERE, 1_000_000)]


async def told(log: Log) -> list[Told]:
    """A log in short, without heartbeats."""
    found = [_told(document) for document in await documents(log)]
    return [words for words in found if words[0] != "heartbeat"]


def _told(document: Document) -> Told:
    data = document.data or {}
    if document.fact == "coverage":
        return (str(data["mark"]), *_stream(data))
    if document.fact == "gap":
        return ("gap", str(data["cause"]), str(data["state"]), *_stream(data))
    fact = "listed" if document.snapshot else document.fact
    return (fact, document.subject.rpartition("/")[2], document.resourceversion)


def _stream(data: dict[str, Any]) -> tuple[str, ...]:
    return (f"{data['kind']}/{data['scope']}",) if "kind" in data else ()


def gaps(found: Sequence[Told], state: str = "open") -> list[str]:
    """The causes of the gaps that were opened (or closed), in order."""
    return [words[1] for words in found if words[0] == "gap" and words[2] == state]


def seen(found: Sequence[Told], *facts: str) -> set[str]:
    """The versions of states, listed states and deletions told."""
    return {words[2] for words in found if words[0] in (facts or ("state", "listed", "deleted"))}
