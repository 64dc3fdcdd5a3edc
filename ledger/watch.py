"""The watch: list, watch from there, list again when history is lost.

Three functions, read downward: a stream that never ends, one list and its watches, one request.
Mirrors the contract of client-go's Reflector (tools/cache/reflector.go), not its shape. What the
bytes become is stream.py's part, how they come cluster.py's.
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager
from dataclasses import dataclass
from typing import Protocol

import structlog

from ledger.answers import Expired, Throttled, TooLarge
from ledger.backoff import Backoff
from ledger.envelope import Envelope
from ledger.errors import ClusterUnreachable, Forbidden
from ledger.lines import LongLine
from ledger.observe import Stream
from ledger.pace import Pace
from ledger.stream import StreamObserver

WATCH_SECONDS = (240, 300)
"""How long the API server may keep one watch: a fresh request picks up rotated credentials."""

HEALTHY_SECONDS = 5.0
"""A watch that ends sooner is a failure, whatever it said: the next one waits longer. One that
lasts ends the waiting. client-go's two minutes would keep us away for half a minute after the
second of two restarts, which is longer than a busy kind's history lasts.
"""

COMPARE_SECONDS = 3_000.0
"""How long after a list the watch is checked by the next one, give or take a tenth: within an hour,
with the watch that has to end first.
"""

SILENT_WATCHES = 2
"""After so many watches in a row that lasted and said nothing, not even a bookmark, the server is
asked how far it is.
"""

RELIST_SECONDS = 60.0
"""Lost history is listed again at once, but not twice within this time."""

FORBIDDEN_SECONDS = 30.0
"""Rights come back by hand; ask again after once to twice as long."""

DOUBTFUL_SECONDS = 1.0
"""The same, while the right may only be missed for a moment."""

PAGE_ITEMS = 250
SMALLEST_PAGE_ITEMS = 10
PAGE_BYTES = 8 * 1024 * 1024
"""A page above this halves the next one, so that large objects do not meet in memory."""

_log = structlog.get_logger("ledger.watch")


class ApiServer(Protocol):
    """As much of a cluster as a watch needs; ledger.cluster.Cluster says what each promises."""

    @property
    def skew_seconds(self) -> float | None:
        """How far the server's clock is ahead of ours."""

    async def list_page(self, stream: Stream, token: str, *, limit: int) -> bytes:
        """One page of a list."""

    def watch(
        self, stream: Stream, *, resource_version: str, timeout_seconds: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes | LongLine]]:
        """One watch, once it is accepted."""


async def follow(
    api: ApiServer, stream: StreamObserver, pace: Pace
) -> AsyncGenerator[Envelope, None]:
    """Everything that a stream tells, whatever its server does; never ends.

    Raises only what is not the server's: OtherCluster, and our own faults.
    """
    waits = _Waits(pace, Backoff(pace))
    while True:
        ending: Expired | ClusterUnreachable | None = None
        try:
            async with aclosing(_list_and_watches(api, stream, waits)) as envelopes:
                async for envelope in envelopes:
                    yield envelope
        except (Expired, ClusterUnreachable) as wrong:
            ending = wrong
        stream.connected = False
        stream.restarts[_reason(ending)] += 1
        _tell(stream, ending)
        if isinstance(ending, Expired):
            for envelope in stream.expire(ending.cause, at=pace.now()):
                yield envelope
        elif isinstance(ending, Forbidden):
            for envelope in stream.refuse(at=pace.now()):
                yield envelope
        stream.is_doubtful = stream.is_doubtful or isinstance(ending, ClusterUnreachable)
        await pace.sleep(waits.after(ending, stream))


async def _list_and_watches(
    api: ApiServer, stream: StreamObserver, waits: _Waits
) -> AsyncGenerator[Envelope, None]:
    """A list where one is needed, then watch after watch; ends when it takes another list."""
    if stream.needs_list:
        async with aclosing(_list(api, stream, waits.pace)) as listed:
            async for envelope in listed:
                yield envelope
        waits.listed()
    while True:
        if not stream.needs_list:
            async with aclosing(_check(api, stream, waits)) as checked:
                async for envelope in checked:
                    yield envelope
            if stream.needs_list:
                return
        async with aclosing(_watch(api, stream, waits)) as watched:
            async for envelope in watched:
                yield envelope
        if stream.needs_list:
            return
        stream.restarts["ended"] += 1
        if not waits.was_healthy:
            stream.connected = False
            await waits.pace.sleep(waits.backoff.next())


async def _check(
    api: ApiServer, stream: StreamObserver, waits: _Waits
) -> AsyncGenerator[Envelope, None]:
    """What the watch alone cannot know: after an outage or long silence how far the cluster is, and
    once an hour, or when asked to, whether the watch has told everything.
    """
    is_due = stream.wants_list
    if stream.is_doubtful or waits.silent >= SILENT_WATCHES:
        raw_page = await api.list_page(stream.stream, "", limit=1)
        waits.silent = 0
        for envelope in stream.probed(raw_page, at=waits.pace.now()):
            yield envelope
    elif waits.is_time_to_compare:
        is_due = True
    if is_due:
        async with aclosing(_list(api, stream, waits.pace)) as listed:
            async for envelope in listed:
                yield envelope
        waits.listed()


async def _list(
    api: ApiServer, stream: StreamObserver, pace: Pace
) -> AsyncGenerator[Envelope, None]:
    """One snapshot, page by page; goes on with a list that broke off between two pages."""
    limit = PAGE_ITEMS
    while True:
        asked_at = pace.now()
        try:
            raw_page = await api.list_page(stream.stream, stream.continue_token, limit=limit)
        except TooLarge:
            limit = max(1, limit // 2)
            continue
        for envelope in stream.listed(raw_page, asked_at=asked_at, at=pace.now()):
            yield envelope
        if not stream.continue_token:
            return
        if len(raw_page) > PAGE_BYTES:
            limit = max(SMALLEST_PAGE_ITEMS, limit // 2)
        # Two pages never meet in memory.
        del raw_page


async def _watch(
    api: ApiServer, stream: StreamObserver, waits: _Waits
) -> AsyncGenerator[Envelope, None]:
    """One watch request, to its end."""
    pace, (shortest, longest) = waits.pace, WATCH_SECONDS
    seconds = shortest + round(pace.random() * (longest - shortest))
    async with api.watch(
        stream.stream, resource_version=stream.cursor, timeout_seconds=seconds
    ) as lines:
        stream.accept()
        began_at = pace.now()
        with waits.measured():
            async for raw_line in lines:
                waits.silent = 0
                envelope = stream.watched(raw_line, at=pace.now())
                if envelope is not None:
                    yield envelope
        if waits.was_healthy:
            stream.outlast(began_at)
        # Ended before its time: the next server may stand on other data, and a watch from a version
        # that it has not reached is accepted, and skips whatever is written up to there.
        stream.is_doubtful = stream.is_doubtful or waits.seconds_watched < seconds


@dataclass(slots=True)
class _Waits:
    """How long a stream waits after what ended it."""

    pace: Pace
    backoff: Backoff
    was_healthy: bool = False
    seconds_watched: float = 0.0
    silent: int = 0
    _listed_at: float = -math.inf
    _compare_at: float = 0.0

    def __post_init__(self) -> None:
        # A stream that goes on is checked at some time within the hour, so that the lists of many
        # streams and watchers spread out.
        spread = 0.1 + 0.9 * self.pace.random()
        self._compare_at = self.pace.monotonic() + COMPARE_SECONDS * spread

    def listed(self) -> None:
        """A list is complete: the next check is due in an hour."""
        spread = 0.9 + 0.2 * self.pace.random()
        self._compare_at = self.pace.monotonic() + COMPARE_SECONDS * spread

    @property
    def is_time_to_compare(self) -> bool:
        """The last list is nearly an hour old."""
        return self.pace.monotonic() >= self._compare_at

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Around a watch that was accepted: whether it lasted, and if so, an end to the waiting."""
        began = self.pace.monotonic()
        try:
            yield
        finally:
            self.seconds_watched = self.pace.monotonic() - began
            self.was_healthy = self.seconds_watched >= HEALTHY_SECONDS
            if self.was_healthy:
                self.backoff.reset()
                self.silent += 1

    def after(self, ending: Exception | None, stream: StreamObserver) -> float:
        """Seconds to wait."""
        if isinstance(ending, Forbidden):
            is_sure = stream.state == "forbidden"
            return (FORBIDDEN_SECONDS if is_sure else DOUBTFUL_SECONDS) * (1 + self.pace.random())
        if isinstance(ending, Throttled):
            return max(ending.after_seconds, self.backoff.next())
        if isinstance(ending, ClusterUnreachable):
            return self.backoff.next()
        now, before = self.pace.monotonic(), self._listed_at
        self._listed_at = now
        return 0.0 if now - before >= RELIST_SECONDS else self.backoff.next()


def _reason(ending: Expired | ClusterUnreachable | None) -> str:
    """Why a watch ended, in a word: a metric's label."""
    if ending is None:
        return "line-lost"
    return ending.cause if isinstance(ending, Expired) else type(ending).__name__.lower()


def _tell(stream: StreamObserver, ending: Exception | None) -> None:
    if isinstance(ending, ClusterUnreachable):
        _log.warning(ending.message, stream=stream.stream.key, state=stream.state)
    else:
        _log.info(
            "listing again", stream=stream.stream.key, reason=str(ending or "a line was lost")
        )
