"""Envelopes on their way to the log: one bounded queue, one appender, batches of what has arrived.

The queue's order is the sequence's order, because an envelope is queued in the same breath as it is
sealed; whoever overfills the queue waits afterwards. So a slow log slows the watches down, and the
API server in turn, instead of filling memory.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import structlog

from ledger.backoff import Backoff
from ledger.envelope import Envelope
from ledger.errors import LogUnreachable
from ledger.log import Log
from ledger.pace import Pace
from ledger.watchdog import Watchdog

QUEUE_RECORDS = 2_000
QUEUE_BYTES = 32 * 1024 * 1024
BATCH_RECORDS = 500
BATCH_BYTES = 1024 * 1024
RETRY_FIRST_SECONDS = 0.2
RETRY_LARGEST_SECONDS = 10.0

_log = structlog.get_logger("ledger.outbox")


@dataclass(slots=True)
class Outbox:
    """The queue before a log. What one producer adds at a time comes on top of its bounds."""

    log: Log
    pace: Pace = field(default_factory=Pace)
    limit_records: int = QUEUE_RECORDS
    limit_bytes: int = QUEUE_BYTES
    watchdog: Watchdog = field(default_factory=Watchdog)
    appended: int = 0
    refusal: str = ""
    """Why the log takes no records at present; empty while it does."""

    _queue: deque[Envelope] = field(default_factory=deque)
    _bytes: int = 0
    _closed: bool = False
    _queued: int = 0
    _waiting: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _drained: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_full(self) -> bool:
        """Whoever wants to add waits for `room` first."""
        return len(self._queue) >= self.limit_records or self._bytes >= self.limit_bytes

    @property
    def waiting(self) -> int:
        """How many envelopes are queued."""
        return len(self._queue)

    def put(self, envelope: Envelope) -> None:
        """Queue an envelope just sealed, behind the original that comes with it."""
        for each in envelope.in_order:
            self._queue.append(each)
            self._queued += 1
            self._bytes += len(each.value)
        self._arrived.set()

    async def room(self) -> None:
        """Return when the queue is not full."""
        while self.is_full:
            self._drained.clear()
            await self._drained.wait()

    async def kept(self) -> None:
        """Return when everything queued so far is in the log."""
        if self.appended < self._queued:
            future = asyncio.get_running_loop().create_future()
            self._waiting.append((self._queued, future))
            await future

    def close(self) -> None:
        """Nothing more will come: `run` returns once the queue is empty."""
        self._closed = True
        self._arrived.set()

    async def run(self) -> None:
        """Append what is queued, in order, until closed.

        A log that cannot be reached is tried again with the same batch for as long as it takes.
        Raises LogUnusable when trying again would not help.
        """
        while batch := await self._next_batch():
            await self._append(batch)
            self.appended += len(batch)
            self._tell()

    def _tell(self) -> None:
        """Whoever waits for what is now in the log waits no longer."""
        done = [each for each in self._waiting if each[0] <= self.appended]
        self._waiting = [each for each in self._waiting if each[0] > self.appended]
        for _, future in done:
            if not future.done():
                future.set_result(None)

    async def _next_batch(self) -> list[Envelope]:
        while not self._queue and not self._closed:
            self._arrived.clear()
            await self._arrived.wait()
        batch: list[Envelope] = []
        size = 0
        while self._queue and len(batch) < BATCH_RECORDS:
            size += len(self._queue[0].value)
            if batch and size > BATCH_BYTES:
                break
            envelope = self._queue.popleft()
            self._bytes -= len(envelope.value)
            batch.append(envelope)
        self._drained.set()
        return batch

    async def _append(self, batch: list[Envelope]) -> None:
        backoff = Backoff(self.pace, RETRY_FIRST_SECONDS, RETRY_LARGEST_SECONDS)
        while True:
            try:
                # Each try has an end of its own; how often it is tried has none.
                with self.watchdog.step(f"appending {len(batch)} records to the log"):
                    await self.log.append(batch)
            except LogUnreachable as wrong:
                self.refusal = wrong.message
                _log.warning(wrong.message, hint=wrong.hint, waiting=self.waiting)
                await self.pace.sleep(backoff.next())
            else:
                self.refusal = ""
                return
