"""The watch: list, watch from there, list again when history is lost.

Three functions, read downward: a stream that never ends, one list and its watches, one request.
Whatever was not seen is said as a gap; a watch that merely ended is not one. Mirrors the contract
of client-go's Reflector (tools/cache/reflector.go), not its shape.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import msgspec

from ledger.backoff import Backoff
from ledger.cluster import Expired, LongLine, Throttled
from ledger.envelope import Envelope
from ledger.errors import ClusterUnreachable, Forbidden, Unauthorized
from ledger.model import timestamp
from ledger.observe import Observer, Stream, line_decoder, page_decoder

SERVER_TIMEOUT_SECONDS = (240, 300)
"""How long the API server may keep one watch: a fresh request picks up rotated credentials."""


class Source(Protocol):
    """As much of a cluster as a watch needs."""

    async def list_page(self, stream: Stream, token: str) -> bytes:
        """One page of a list."""

    def watch(
        self, stream: Stream, version: str, *, timeout_seconds: int
    ) -> AsyncIterator[bytes | LongLine]:
        """The raw lines of one watch."""

    async def reload(self) -> None:
        """Read the credentials again."""


Put = Callable[[Envelope], Awaitable[None]]


class _Unreadable(Exception):
    """A watch line could not be read, so what it said is missing."""


@dataclass(slots=True)
class StreamWatch:
    """One stream's watch: where it stands, and how it goes on.

    `cursor` is the resourceVersion up to which everything has been handed to `put`; it is empty
    until a snapshot is complete. `state` is what heartbeats say of the stream.
    """

    source: Source
    observer: Observer
    stream: Stream
    put: Put
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    cursor: str = ""
    state: str = "starting"
    seen_at: str = ""
    last_error: str = ""
    backoff: Backoff = field(default_factory=Backoff)
    _open_gaps: list[tuple[str, str]] = field(default_factory=list)

    async def run(self) -> None:
        """Never ends: one list and its watches after the other, whatever the server does."""
        while True:
            try:
                await self._list_and_watch()
            except Expired:
                await self._gap("expired-410")
                self.cursor = ""
            except _Unreadable:
                # A list shows the state that the line would have: it closes the gap.
                self.cursor = ""
                await self.sleep(self.backoff.next())
            except Forbidden as wrong:
                await self._forbidden(wrong)
            except Unauthorized as wrong:
                await self._wait("unauthorized", wrong, self.backoff.next())
                await self.source.reload()
            except Throttled as wrong:
                await self._wait("throttled", wrong, wrong.after_seconds)
            except ClusterUnreachable as wrong:
                await self._wait("unreachable", wrong, self.backoff.next())

    async def _list_and_watch(self) -> None:
        if not self.cursor:
            await self._list()
        while True:
            healthy_since = self.now()
            heard = await self._watch_once()
            self.backoff.healthy((self.now() - healthy_since).total_seconds())
            if not heard:
                # An empty answer at once is a broken server; a quiet stream took minutes to end.
                await self.sleep(self.backoff.next())

    async def _watch_once(self) -> bool:
        """One watch request, to its end; True when it said anything or lasted."""
        began, heard = self.now(), False
        timeout_seconds = random.randint(*SERVER_TIMEOUT_SECONDS)  # noqa: S311 - spreads the load
        async for line in self.source.watch(
            self.stream, self.cursor, timeout_seconds=timeout_seconds
        ):
            self._is_live()
            heard = True
            if isinstance(line, LongLine):
                await self._gap("line-too-long", bytes=line.length_bytes)
                raise _Unreadable
            await self._line(line)
        self._is_live()
        return heard or (self.now() - began).total_seconds() > 1

    async def _list(self) -> None:
        snapshot = self.observer.next_snapshot()
        at = self.now()
        await self._cover("snapshot-begin", at, snapshot=snapshot)
        count, token = 0, ""
        while True:
            try:
                raw_page = await self.source.list_page(self.stream, token)
            except Expired:
                # The continue token is too old: this snapshot stays without an end, for ever.
                return await self._list()
            page = page_decoder.decode(raw_page)
            for raw_item in page.items or ():
                count += await self._item(bytes(raw_item), snapshot)
            token = page.metadata.continue_
            if not token:
                break
        version = page.metadata.resourceVersion
        at = self.now()
        await self._cover(
            "snapshot-end", at, snapshot=snapshot, count=count, resource_version=version
        )
        await self._close_gaps(version)
        self.cursor = version
        self._is_live()
        return None

    async def _item(self, raw_item: bytes, snapshot: str) -> int:
        sealed = self.observer.state(
            raw_item, kind=self.stream.kind, at=self.now(), snapshot=snapshot
        )
        if sealed is None:
            return 0
        await self.put(sealed)
        return 1

    async def _line(self, raw_line: bytes) -> None:
        try:
            taken = take_line(self.observer, self.stream, raw_line, self.now())
        except (msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError):
            # What cannot be read cannot be redacted, so only its length and a keyed digest are
            # kept.
            tag = hmac.new(self.observer.redactor.key, raw_line, hashlib.sha256).hexdigest()
            await self._gap("decode", bytes=len(raw_line), hmac=tag)
            raise _Unreadable from None
        if taken.envelope is not None:
            await self.put(taken.envelope)
        if taken.version:
            self.cursor = taken.version

    async def _forbidden(self, wrong: Forbidden) -> None:
        if not any(cause == "forbidden" for _, cause in self._open_gaps):
            await self._gap("forbidden", message=wrong.message)
        self.cursor = ""
        await self._wait("forbidden", wrong, max(self.backoff.next(), 5.0))

    async def _wait(self, state: str, wrong: ClusterUnreachable, seconds: float) -> None:
        self.state, self.last_error = state, wrong.message
        await self.sleep(seconds)

    async def _gap(self, cause: str, **details: Any) -> None:
        self.state = "gap"
        sealed = self.observer.gap(
            self.stream,
            at=self.now(),
            cause=cause,
            last_resource_version=self.cursor,
            last_seen_at=self.seen_at or None,
            **details,
        )
        self._open_gaps.append((sealed.id, cause))
        await self.put(sealed)

    async def _close_gaps(self, version: str) -> None:
        for gap_id, cause in self._open_gaps:
            sealed = self.observer.gap(
                self.stream,
                at=self.now(),
                cause=cause,
                state="closed",
                gap=gap_id,
                next_resource_version=version,
            )
            await self.put(sealed)
        self._open_gaps.clear()

    async def _cover(self, mark: str, at: datetime, **details: Any) -> None:
        await self.put(self.observer.coverage(mark, self.stream, at=at, **details))

    def _is_live(self) -> None:
        self.state, self.last_error = "live", ""
        self.seen_at = timestamp(self.now())


@dataclass(frozen=True, slots=True)
class Taken:
    """What a watch line gave: an envelope, unless it was none of our objects, and a new cursor."""

    envelope: Envelope | None
    version: str = ""


def take_line(observer: Observer, stream: Stream, raw_line: bytes, at: datetime) -> Taken:
    """One watch line, sealed.

    Raises Expired for an ERROR line with code 410, ClusterUnreachable for any other ERROR, and
    ValueError (or msgspec.DecodeError) for a line that is not an object or of an unknown type.
    """
    line = line_decoder.decode(raw_line)
    raw_object = bytes(line.object)
    match line.type:
        case "ADDED" | "MODIFIED":
            envelope = observer.state(raw_object, kind=stream.kind, at=at)
        case "DELETED":
            envelope = observer.deleted(raw_object, kind=stream.kind, at=at)
        case "BOOKMARK":
            envelope = None
        case "ERROR":
            _raise_error(raw_object)
        case other:
            raise ValueError(f"unknown watch line type {other[:40]!r}")
    return Taken(envelope, _version(raw_object))


class _Metadata(msgspec.Struct):
    resourceVersion: str = ""  # noqa: N815


class _Object(msgspec.Struct):
    metadata: _Metadata


class _Status(msgspec.Struct):
    code: int = 0
    message: str = ""


_object_decoder = msgspec.json.Decoder(_Object)
_status_decoder = msgspec.json.Decoder(_Status)


def _version(raw_object: bytes) -> str:
    return _object_decoder.decode(raw_object).metadata.resourceVersion


def _raise_error(raw_object: bytes) -> None:
    status = _status_decoder.decode(raw_object)
    if status.code == 410:
        raise Expired(status.message)
    raise ClusterUnreachable(f"the watch ended with {status.code}: {status.message[:200]}")


def take_list(
    observer: Observer, stream: Stream, raw_page: bytes, at: datetime
) -> Iterator[Envelope]:
    """A recorded one-page list as the records a live one would have become."""
    snapshot = observer.next_snapshot()
    yield observer.coverage("snapshot-begin", stream, at=at, snapshot=snapshot)
    page, count = page_decoder.decode(raw_page), 0
    for raw_item in page.items or ():
        sealed = observer.state(bytes(raw_item), kind=stream.kind, at=at, snapshot=snapshot)
        if sealed is not None:
            count += 1
            yield sealed
    version = page.metadata.resourceVersion
    yield observer.coverage(
        "snapshot-end", stream, at=at, snapshot=snapshot, count=count, resource_version=version
    )
