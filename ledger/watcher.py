"""The watcher process: one task for each stream, one appender, heartbeats.

A heartbeat is queued behind the facts it speaks of: once it is in the log, so is everything it
covers. The log is the only memory there is; a process killed at any instant leaves in it all that
the next one needs (resume.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from ledger.audit.source import AuditSource
from ledger.envelope import Envelope
from ledger.errors import LogUnreachable
from ledger.log import Log
from ledger.observe import Observer, Stream
from ledger.outbox import Outbox
from ledger.pace import Pace
from ledger.standing import Standing
from ledger.stream import StreamObserver
from ledger.watch import ApiServer, follow

HEARTBEAT_SECONDS = 15.0
FIRST_HEARTBEAT_SECONDS = 1.0
"""A watcher that resumed has nothing to say until something changes: it says early that it lives.
"""

FLUSH_SECONDS = 15.0
"""How long the log may take for the last records; a service manager kills after 20 to 30."""


@dataclass(slots=True)
class Watcher:
    """Everything one watcher process does. `standings` says, by stream key, where the log ends."""

    api: ApiServer
    log: Log
    observer: Observer
    streams: Sequence[Stream]
    standings: Mapping[str, Standing]
    sources: Sequence[AuditSource] = ()
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    pace: Pace = field(default_factory=Pace)
    outbox: Outbox = field(init=False)
    observers: list[StreamObserver] = field(init=False)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.log, self.pace)
        self.observers = [StreamObserver(stream, self.observer) for stream in self.streams]

    async def run(self, stop: asyncio.Event) -> None:
        """Record until `stop` is set or the task is cancelled; then everything seen is in the log,
        and a stream-stop for each stream after it.

        Raises LogUnusable when the log cannot be used any more, LogUnreachable when it did not
        take the last records in time, OtherCluster when the API server is no longer the same.
        """
        appending = asyncio.create_task(self.outbox.run(), name="appender")
        is_asked_to = False
        try:
            await self._observe(stop, appending)
            is_asked_to = True
        except asyncio.CancelledError:
            is_asked_to = True
            raise
        finally:
            if is_asked_to:
                self._put(stream.stop(at=self.pace.now()) for stream in self.observers)
            self.outbox.close()
            await self._flushed(appending)

    async def _observe(self, stop: asyncio.Event, appending: asyncio.Task[None]) -> None:
        for stream in self.observers:
            standing = self.standings.get(stream.stream.key, Standing())
            self._put(stream.start(standing, at=self.pace.now()))
        try:
            async with asyncio.TaskGroup() as group:
                stopping = group.create_task(stop.wait(), name="stop")
                tasks = [
                    group.create_task(self._beat(), name="heartbeat"),
                    *(group.create_task(self._follow(stream)) for stream in self.observers),
                    *(
                        group.create_task(source.run(self.observer, self.outbox, self.pace))
                        for source in self.sources
                    ),
                ]
                await asyncio.wait({appending, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if appending.done():
                    appending.result()
                for task in tasks:
                    task.cancel()
        except BaseExceptionGroup as failed:
            # One failure ends the process; those that it brings about are of no interest.
            raise failed.exceptions[0] from None

    async def _follow(self, stream: StreamObserver) -> None:
        async with aclosing(follow(self.api, stream, self.pace)) as envelopes:
            async for envelope in envelopes:
                self.outbox.put(envelope)
                if self.outbox.is_full:
                    await self.outbox.room()
                # A page of large objects takes seconds to redact; others have their turn meanwhile.
                await asyncio.sleep(0)

    async def _beat(self) -> None:
        await self.pace.sleep(min(FIRST_HEARTBEAT_SECONDS, self.heartbeat_seconds))
        while True:
            await self.outbox.room()
            entries = [stream.entry() for stream in self.observers]
            skew_seconds = self.api.skew_seconds
            audit = [source.entry() for source in self.sources]
            self.outbox.put(
                self.observer.heartbeat(
                    entries, at=self.pace.now(), skew_seconds=skew_seconds, audit=audit
                )
            )
            await self.pace.sleep(self.heartbeat_seconds)

    def _put(self, envelopes: Iterable[Envelope]) -> None:
        for envelope in envelopes:
            self.outbox.put(envelope)

    async def _flushed(self, appending: asyncio.Task[None]) -> None:
        done, _ = await asyncio.wait({appending}, timeout=FLUSH_SECONDS)
        if done:
            return appending.result()
        appending.cancel()
        await asyncio.wait({appending})
        raise LogUnreachable(
            "the log did not take the last records in time",
            hint="nothing is lost: the next start sees them again",
        )
