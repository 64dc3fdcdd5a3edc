"""A watcher at work in a test: fast clocks, a fake API server, and its log in readable form."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from ledger.cluster import Cluster
from ledger.deadlines import Deadlines
from ledger.envelope import Document, Envelope, parse
from ledger.log import Log
from ledger.log.memory import MemoryLog
from ledger.model import KIND_BY_PLURAL, NOWHERE, utc_now
from ledger.observe import Observer, Stream
from ledger.pace import Pace
from ledger.redaction import Redactor
from ledger.resume import read_resume
from ledger.standing import Standing
from ledger.watcher import Watcher
from tests.fake_api import CANARY, CLUSTER, FakeApi
from tests.invariants import examine
from tests.recorded import KEY, KEY_ID, folded

SPEED = 200.0
"""Seconds of a test's watcher in one real second."""

PATIENCE_SECONDS = 30.0
IMPATIENT = Deadlines(
    connect_seconds=0.3, read_seconds=0.3, answer_seconds=0.5, idle_seconds=0.2, login_seconds=5.0
)
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


@dataclass
class Clocks:
    """A watcher's clocks, fast, as a test sets them."""

    passed_seconds: float = 0.0
    """How much more time has passed than really has."""

    wrong: timedelta = timedelta()
    """How far the wall clock is ahead."""

    def pace(self) -> Pace:
        """The pace of a watcher with these clocks."""
        quick = fast()
        return Pace(
            now=lambda: utc_now() + self.wrong,
            monotonic=lambda: quick.monotonic() + self.passed_seconds,
            sleep=quick.sleep,
            random=quick.random,
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
        # Whoever asks again and again gives the others their turn.
        await asyncio.sleep(0.002)
        looked_at = time.monotonic()
        while not true(found := await told(self.log)):
            if self.task.done():
                self.task.result()
            if time.monotonic() > deadline:
                raise AssertionError("\n".join(map(str, found)))
            # Looking takes longer the more was told: the watcher gets at least as much time again.
            await asyncio.sleep(max(0.005, time.monotonic() - looked_at))
            looked_at = time.monotonic()
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
    pace: Pace | None = None,
) -> AsyncIterator[Watching]:
    """A watcher that goes on where the log ends (or as told), and is stopped in order on the way
    out; unless it has ended before, then the test has looked at why. The invariants are examined
    at the end.
    """
    log = log or MemoryLog()
    resume = await read_resume(log, streams, cluster=CLUSTER)
    observing = observer(instance)
    observing.epoch = resume.epoch
    watcher = Watcher(
        cluster,
        log,
        observing,
        streams,
        resume.cursors if standings is None else standings,
        heartbeat_seconds=heartbeat_seconds,
        pace=pace or fast(),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(watcher.run(stop))
    try:
        yield Watching(watcher, log, task)
    finally:
        if not task.done():
            stop.set()
            await task
    await asyncio.to_thread(examine, await values(log), secrets=[CANARY])


@asynccontextmanager
async def watching_pods(
    folder: Path, *, deadlines: Deadlines = QUICK, pace: Pace | None = None
) -> AsyncIterator[tuple[FakeApi, Watching]]:
    """A watcher of pods that has listed the one pod there is."""
    async with serving(folder, deadlines=deadlines) as (api, cluster):
        api.put("pods", "web-0")
        async with watching(cluster, [PODS], pace=pace) as watch:
            await watch.until(lambda found: ("snapshot-end", "pods/*") in found)
            while not api.requests("watch", "pods"):
                await watch.until(lambda _: True)
            yield api, watch


async def values(log: Log) -> list[bytes]:
    """Every record's bytes."""
    return [record.value for record in await log.read(NOWHERE, 1_000_000)]


async def log_of(values: Sequence[bytes]) -> MemoryLog:
    """A log of these records: what a watcher that was killed has left."""
    log = MemoryLog()
    await log.append([Envelope(parse(value).id, value) for value in values])
    return log


async def ledger_of(log: Log, path: Path) -> Path:
    """A ledger at `path`, folded from what the log holds now; the invariants are examined."""
    found = await values(log)
    examine(found, folded(found, path), secrets=[CANARY])
    return path


def asked(ledger: Path, question: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of an answer."""
    connection = sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(question, values).fetchall()
    finally:
        connection.close()


def listings(found: list[Told], stream: str = "pods/*") -> int:
    """How many snapshots were completed."""
    return found.count(("snapshot-end", stream))


async def heartbeats(watch: Watching) -> list[dict[str, Any]]:
    """What each heartbeat said of the first stream."""
    rows = [row.data for row in await documents(watch.log) if row.fact == "coverage"]
    return [row["streams"][0] for row in rows if row["mark"] == "heartbeat"]


async def documents(log: Log) -> list[Document]:
    """Every record of a log, read back."""
    return [parse(record.value) for record in await log.read(NOWHERE, 1_000_000)]


async def told(log: Log) -> list[Told]:
    """A log in short, without heartbeats."""
    found = [_told(record.value) for record in await log.read(NOWHERE, 1_000_000)]
    return [words for words in found if words[0] != "heartbeat"]


@lru_cache(maxsize=10_000)
def _told(value: bytes) -> Told:
    document = parse(value)
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
