"""The watcher process: a watch for each stream, one appender, heartbeats.

What the watches see goes through one bounded queue to one appender, so the log's order is the order
of the sequence and a slow log slows the watches down instead of filling memory. A heartbeat is
queued behind the facts it speaks of: once it is in the log, so is everything it covers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from ledger.backoff import Backoff
from ledger.envelope import Envelope
from ledger.errors import LedgerError, LogUnreachable
from ledger.log import Log
from ledger.model import utc_now
from ledger.observe import Observer, Stream
from ledger.watch import Source, StreamWatch

HEARTBEAT_SECONDS = 15.0
QUEUE_BYTES = 32 * 1024 * 1024
BATCH_RECORDS = 500
BATCH_BYTES = 1024 * 1024
FLUSH_SECONDS = 15.0

_log = structlog.get_logger("ledger.watcher")


@dataclass(slots=True)
class Outbox:
    """Envelopes on their way to the log: bounded in bytes, appended in order, in batches."""

    log: Log
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    appended: int = 0
    _waiting: deque[Envelope] = field(default_factory=deque)
    _bytes: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def put(self, envelope: Envelope) -> None:
        """Queue an envelope; waits while the queue is full.

        Order is kept because nothing is awaited between sealing and queueing unless it is full,
        and then the watch that sealed it waits with it.
        """
        self._waiting.append(envelope)
        self._bytes += len(envelope.value)
        async with self._changed:
            self._changed.notify_all()
            await self._changed.wait_for(lambda: self._bytes <= QUEUE_BYTES)

    async def run(self) -> None:
        """Append what is queued, for ever. Raises LogUnusable; an unreachable log is tried again."""
        backoff = Backoff()
        while True:
            batch = await self._next_batch()
            try:
                await self.log.append(batch)
            except LogUnreachable as wrong:
                _log.warning("log unreachable, will try again", reason=wrong.message)
                await self.sleep(backoff.next())
                continue
            backoff = Backoff()
            await self._done(batch)

    async def flush(self) -> None:
        """Return when everything queued so far is in the log."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._waiting)

    async def _next_batch(self) -> list[Envelope]:
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._waiting))
        batch: list[Envelope] = []
        size = 0
        for envelope in self._waiting:
            size += len(envelope.value)
            if batch and (size > BATCH_BYTES or len(batch) == BATCH_RECORDS):
                break
            batch.append(envelope)
        return batch

    async def _done(self, batch: Sequence[Envelope]) -> None:
        async with self._changed:
            for envelope in batch:
                self._waiting.popleft()
                self._bytes -= len(envelope.value)
            self.appended += len(batch)
            self._changed.notify_all()


@dataclass(slots=True)
class Watcher:
    """Everything one watcher process does."""

    source: Source
    log: Log
    observer: Observer
    streams: Sequence[Stream]
    cursors: Mapping[str, str]
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    now: Callable[[], datetime] = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _watches: list[StreamWatch] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        """Record until `stop` is set; then say so in the log, and return.

        Raises LogUnusable, and whatever else ends a watch that should never end.
        """
        outbox = Outbox(self.log, self.sleep)
        await self._begin(outbox)
        tasks = [asyncio.create_task(self._beat(outbox), name="heartbeat")]
        tasks += [
            asyncio.create_task(watch.run(), name=watch.stream.key) for watch in self._watches
        ]
        appender = asyncio.create_task(outbox.run(), name="appender")
        stopped = asyncio.create_task(stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait(
                [*tasks, appender, stopped], return_when=asyncio.FIRST_COMPLETED
            )
            await _cancel(tasks)
            for task in done - {stopped}:
                task.result()
            await self._end(outbox, appender)
        finally:
            await _cancel([*tasks, appender, stopped])

    async def _begin(self, outbox: Outbox) -> None:
        for stream in self.streams:
            cursor = self.cursors.get(stream.key, "")
            watch = StreamWatch(
                self.source, self.observer, stream, outbox.put, self.now, self.sleep, cursor
            )
            self._watches.append(watch)
            mode = "resumed" if cursor else "listed"
            sealed = self.observer.coverage(
                "stream-start", stream, at=self.now(), mode=mode, cursor=cursor or None
            )
            await outbox.put(sealed)

    async def _beat(self, outbox: Outbox) -> None:
        while True:
            await self.sleep(self.heartbeat_seconds)
            states = [
                {
                    "kind": watch.stream.kind.plural,
                    "scope": watch.stream.scope,
                    "cursor": watch.cursor or None,
                    "state": watch.state,
                }
                for watch in self._watches
            ]
            dropped = dict(self.observer.dropped)
            sealed = self.observer.coverage(
                "heartbeat", None, at=self.now(), streams=states, dropped=dropped
            )
            await outbox.put(sealed)
            for watch in self._watches:
                if watch.last_error:
                    _log.warning(watch.last_error, stream=watch.stream.key, state=watch.state)

    async def _end(self, outbox: Outbox, appender: asyncio.Task[None]) -> None:
        for watch in self._watches:
            sealed = self.observer.coverage(
                "stream-stop", watch.stream, at=self.now(), cursor=watch.cursor or None
            )
            await outbox.put(sealed)
        flushed = asyncio.create_task(outbox.flush())
        await asyncio.wait(
            [flushed, appender], timeout=FLUSH_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if appender.done():
            appender.result()
        if not flushed.done():
            await _cancel([flushed])
            raise LedgerError(
                "the log did not take the last records in time: they will be seen again"
            )


async def _cancel(tasks: Sequence[asyncio.Task[object]] | Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task
