"""One random history, from its seed to the log's records: a world that is written to, and watcher
processes that come and go.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from structlog.testing import capture_logs

from ledger.errors import LogUnreachable, LogUnusable
from ledger.model import KINDS
from ledger.observe import Observer, Stream
from ledger.redaction import Redactor
from ledger.resume import read_resume
from ledger.watcher import Watcher
from tests.fake_api import CLUSTER
from tests.recorded import KEY, KEY_ID
from tests.world import NAMESPACES, JumpingLoop, World
from tests.world_faults import Edge, Faults, Records

TURN_SECONDS = 180.0
"""About how long between two troubles of a process."""

LAST_SECONDS = 4_800.0
"""Quiet time at the end: a comparison, the watch that ends before it, and the longest waits."""


@dataclass
class History:
    """What was, what went wrong, and what was recorded."""

    seed: int
    world: World
    faults: Faults
    records: Records
    streams: Sequence[Stream]
    processes: int = 0


def history(seed: int) -> History:
    """The history of a seed: always the same."""
    rng = random.Random(seed)
    faults = Faults.drawn(rng)
    kinds = rng.sample(KINDS, rng.randint(2, 4))
    window = rng.randint(0, 12) if faults.rates["watch breaks off"] else 1_000_000
    world = World(
        rng,
        faults,
        kinds,
        window,
        page_items=rng.choice((2, 3, 5, 250)),
        slow_seconds=rng.choice((0.1, 0.1, 10.0, 60.0)),
        bookmark_seconds=rng.choice((60.0, 60.0, 1_000.0)),
    )
    streams = [
        Stream(kind, scope)
        for kind in kinds
        for scope in (NAMESPACES if kind.namespaced and rng.random() < 0.3 else ("*",))
    ]
    made = History(seed, world, faults, Records(faults), streams)
    with capture_logs(), asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(_Run(made, rng).run())
    return made


@dataclass
class _Process:
    edge: Edge
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def kill(self) -> None:
        """What is not in the log by now never will be."""
        self.edge.is_dead = True
        self.task.cancel()
        await asyncio.wait({self.task})
        with suppress(asyncio.CancelledError, LogUnusable):
            self.task.result()

    async def end(self) -> None:
        """In order; a log that stays away is the next process's trouble."""
        self.stop.set()
        await asyncio.wait({self.task})
        with suppress(LogUnreachable):
            self.task.result()


@dataclass
class _Run:
    made: History
    rng: random.Random

    async def run(self) -> None:
        """An hour or less of writes and troubles, then quiet."""
        faults = self.made.faults
        for _ in range(self.rng.randrange(8)):
            self.made.world.write()
        process = await self._started()
        writing = asyncio.create_task(self._write())
        while not writing.done():
            await asyncio.sleep(self.rng.expovariate(1 / TURN_SECONDS))
            process = await self._trouble(process)
        faults.is_over = True
        await asyncio.sleep(LAST_SECONDS)
        await process.end()

    async def _write(self) -> None:
        pause = self.rng.choice((5.0, 20.0, 60.0))
        for _ in range(self.rng.randint(30, 80)):
            await asyncio.sleep(self.rng.expovariate(1 / pause) * (self.rng.random() < 0.7))
            self.made.world.write()

    async def _trouble(self, process: _Process) -> _Process:
        faults, records = self.made.faults, self.made.records
        records.lose()
        records.repeat()
        if faults.strikes("clock jumps"):
            faults.clock_seconds = self.rng.uniform(-7200, 7200)
        if faults.strikes("second watcher"):
            second = await self._started()
            await asyncio.sleep(self.rng.random() * 600)
            await (second.kill() if self.rng.random() < 0.5 else second.end())
        if faults.strikes("killed"):
            await self._until_within_list()
            await process.kill()
        elif faults.strikes("stopped"):
            await process.end()
        else:
            return process
        await asyncio.sleep(self.rng.choice((1.0, 10.0, 600.0)) * self.rng.random())
        return await self._started()

    async def _until_within_list(self) -> None:
        """Half of the kills wait for a list that has begun and not ended."""
        patience = self.rng.choice((0, 900))
        while patience > 0 and not self.made.world.is_within_list:
            await asyncio.sleep(1.0)
            patience -= 1
        await asyncio.sleep(self.rng.random())

    async def _started(self) -> _Process:
        made = self.made
        made.processes += 1
        edge = Edge(made.records)
        resume = await read_resume(edge, made.streams, cluster=CLUSTER)
        redactor = Redactor("secrets", KEY_ID, KEY)
        observer = Observer(CLUSTER, f"made{made.processes:04}", redactor, resume.epoch)
        watcher = Watcher(
            made.world,
            edge,
            observer,
            made.streams,
            resume.cursors,
            heartbeat_seconds=self.rng.choice((15.0, 60.0, 120.0, 120.0)),
            pace=made.world.pace(),
        )
        stop = asyncio.Event()
        return _Process(edge, stop, asyncio.create_task(watcher.run(stop)))
