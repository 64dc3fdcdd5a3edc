"""What one stream's API server said, as envelopes: pages of lists, lines of watches, and what was
missed between them.

Pure: watch.py brings the bytes from a live API, replay.py from a recording. Whoever takes an
envelope from here puts it in line for the log before anything else happens; then the cursor never
speaks of more than what is in the line before it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from ledger.answers import Expired, refusal
from ledger.envelope import Envelope
from ledger.errors import ClusterUnreachable
from ledger.lines import LongLine
from ledger.model import timestamp
from ledger.observe import ListPage, Observer, Stream, line_decoder, page_decoder

REFUSALS_BORNE = 5
"""A starting API server refuses for want of its roles, so a watch that was allowed before is tried
again before the right counts as lost."""

ERRORS_BORNE = 3
"""ERROR lines, other than 410, at one cursor; then only a list can get past it."""

LINE_GAPS = 20
"""Unreadable lines that get a gap each, until a list closes them; more are only counted."""


@dataclass(frozen=True, slots=True)
class OpenGap:
    """A gap that no snapshot has closed yet: its id and its cause."""

    id: str
    cause: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stream stands in the log when a watcher starts."""

    cursor: str = ""
    """The resourceVersion up to which everything is in the log; empty when nothing says so."""

    seen_at: str = ""
    """When the API server last said anything, RFC 3339; empty for never."""

    gaps: tuple[OpenGap, ...] = ()
    refiltered: bool = False
    """The cursor was reached while keeping other objects than we do now."""


@dataclass(slots=True)
class _Snapshot:
    id: str
    version: str
    began_at: datetime
    closes: tuple[OpenGap, ...]
    count: int = 0


@dataclass(slots=True)
class StreamObserver:
    """One stream as one watcher process sees it. `connected` is the watch loop's to set."""

    stream: Stream
    observer: Observer
    cursor: str = ""
    gaps: list[OpenGap] = field(default_factory=list)
    connected: bool = False
    continue_token: str = ""
    unreadable: int = 0
    _told_at: str = ""
    _heard_at: datetime | None = None
    _snapshot: _Snapshot | None = None
    _refusals: int = 0
    _errors: int = 0

    @property
    def needs_list(self) -> bool:
        """Without a list nothing can be watched, or what was missed stays unknown."""
        return not self.cursor or bool(self.gaps)

    @property
    def seen_at(self) -> str | None:
        """When the API server last said anything, by this process or, before that, by the log."""
        return timestamp(self._heard_at) if self._heard_at else self._told_at or None

    @property
    def state(self) -> str:
        """`live`, `starting`, `reconnecting`, `gap` or `forbidden`."""
        if any(gap.cause == "forbidden" for gap in self.gaps):
            return "forbidden"
        if self.gaps:
            return "gap"
        if not self.cursor:
            return "starting"
        return "live" if self.connected else "reconnecting"

    def start(self, standing: Standing, *, at: datetime) -> Iterator[Envelope]:
        """Take up where the log ends: a stream-start, and a gap where going on is impossible."""
        self.cursor, self._told_at = standing.cursor, standing.seen_at
        self.gaps = list(standing.gaps)
        resumes = not self.needs_list and not standing.refiltered
        yield self.observer.coverage(
            "stream-start",
            self.stream,
            at=at,
            mode="resumed" if resumes else "listed",
            cursor=self.cursor if resumes else None,
        )
        if standing.refiltered:
            yield from self.lose("filter-changed", at=at)

    def stop(self, *, at: datetime) -> Envelope:
        """The watch ends here because it was asked to."""
        return self.observer.coverage("stream-stop", self.stream, at=at, cursor=self._told_cursor())

    def listed(self, raw_page: bytes, *, at: datetime) -> Iterator[Envelope]:
        """One page of a list: its states, with the snapshot's begin before the first page and its
        end after the last. `continue_token` then says what to ask for next.

        Raises Expired when the page belongs to another list than those before it,
        ClusterUnreachable when it is no page.
        """
        page = _page(raw_page)
        if self._snapshot is None:
            yield self._begin(page.metadata.resourceVersion, at)
        snapshot = self._snapshot
        if snapshot is None or snapshot.version != page.metadata.resourceVersion:
            raise Expired("the pages of a list are of different versions")
        for raw_item in page.items or ():
            yield from self._item(bytes(raw_item), snapshot, at)
        self.continue_token = page.metadata.continue_
        if not self.continue_token:
            yield from self._end(snapshot, at)

    def watched(self, raw_line: bytes | LongLine, *, at: datetime) -> Envelope | None:
        """One line of a watch; None when it leaves nothing to record.

        A line that cannot be read becomes a gap with its length and a keyed digest, and the watch
        may go on. Raises for an ERROR line: Expired, or ClusterUnreachable.
        """
        if isinstance(raw_line, LongLine):
            digest = bytes.fromhex(raw_line.digest)
            return self._unreadable("line-too-long", raw_line.length_bytes, digest, at)
        try:
            line = line_decoder.decode(raw_line)
            raw_object = bytes(line.object)
            if line.type == "ERROR":
                raise self._error(raw_object)
            envelope = self._watched(line.type, raw_object, at)
            # The id of an object's record begins `<uid>/<resourceVersion>/`.
            version = envelope.id.split("/")[1] if envelope else _version(raw_object)
        except (msgspec.DecodeError, ValueError, KeyError, RecursionError):
            return self._unreadable("decode", len(raw_line), raw_line, at)
        self._advance(version, at)
        return envelope

    def lose(self, cause: str, *, at: datetime) -> Iterator[Envelope]:
        """What happens from here on is not seen: a gap, one for each cause, and no cursor."""
        self._forget_snapshot()
        if not any(gap.cause == cause for gap in self.gaps):
            yield self._gap(cause, at)
        self.cursor, self._errors = "", 0

    def expire(self, cause: str, *, at: datetime) -> Iterator[Envelope]:
        """What was asked for is gone: history (a gap), or the rest of a list (begun anew)."""
        if self._snapshot is not None:
            self._forget_snapshot()
        elif self.cursor:
            yield from self.lose(cause, at=at)

    def refuse(self, *, at: datetime) -> Iterator[Envelope]:
        """403: a gap, at once where nothing is being watched, else when it stays so."""
        self._refusals += 1
        if not self.cursor or self._refusals >= REFUSALS_BORNE:
            yield from self.lose("forbidden", at=at)

    def accept(self) -> None:
        """The API server has accepted a watch."""
        self.connected = True
        self._refusals = 0

    def entry(self) -> dict[str, Any]:
        """What a heartbeat says of this stream."""
        return {
            "kind": self.stream.kind.plural,
            "scope": self.stream.scope,
            "cursor": self._told_cursor(),
            "state": self.state,
            "seen_at": self.seen_at,
        }

    def _begin(self, version: str, at: datetime) -> Envelope:
        snapshot_id = self.observer.next_snapshot()
        self._snapshot = _Snapshot(snapshot_id, version, at, tuple(self.gaps))
        return self.observer.coverage("snapshot-begin", self.stream, at=at, snapshot=snapshot_id)

    def _item(self, raw_item: bytes, snapshot: _Snapshot, at: datetime) -> Iterator[Envelope]:
        try:
            envelope = self.observer.state(
                raw_item, kind=self.stream.kind, at=at, snapshot=snapshot.id
            )
        except (msgspec.DecodeError, ValueError, KeyError, RecursionError):
            # Counted but missing: a snapshot that is not whole proves no deletion.
            snapshot.count += 1
            gap = self._unreadable("decode", len(raw_item), raw_item, at)
            yield from (gap,) if gap else ()
            return
        if envelope is not None:
            snapshot.count += 1
            yield envelope

    def _end(self, snapshot: _Snapshot, at: datetime) -> Iterator[Envelope]:
        # The rule for a new epoch (a quorum list behind our own cursor, twice) belongs here.
        yield self.observer.coverage(
            "snapshot-end",
            self.stream,
            at=at,
            snapshot=snapshot.id,
            count=snapshot.count,
            resource_version=snapshot.version,
        )
        self.cursor, self._heard_at = snapshot.version, snapshot.began_at
        self._forget_snapshot()
        for gap in snapshot.closes:
            self.gaps.remove(gap)
            yield self.observer.gap(
                self.stream,
                at=at,
                cause=gap.cause,
                state="closed",
                gap=gap.id,
                next_resource_version=snapshot.version,
                counts={"listed": snapshot.count, "unreadable": self.unreadable},
            )

    def _forget_snapshot(self) -> None:
        # A snapshot without its end stays so for ever; the next one has an id of its own.
        self._snapshot, self.continue_token = None, ""

    def _watched(self, change: str, raw_object: bytes, at: datetime) -> Envelope | None:
        match change:
            case "ADDED" | "MODIFIED":
                return self.observer.state(raw_object, kind=self.stream.kind, at=at)
            case "DELETED":
                return self.observer.deleted(raw_object, kind=self.stream.kind, at=at)
            case "BOOKMARK":
                return None
        raise ValueError("a watch line of a type that we do not know")

    def _error(self, raw_status: bytes) -> Exception:
        wrong = refusal(raw_status)
        self._errors += 1
        if not isinstance(wrong, Expired) and self._errors >= ERRORS_BORNE:
            return Expired(str(wrong), cause="watch-error")
        return wrong

    def _advance(self, version: str, at: datetime) -> None:
        # A server behind a balancer may repeat its past; the cursor does not follow it there.
        # Versions of one kind are comparable as integers (KEP-5504).
        if not self.cursor or int(version) > int(self.cursor):
            self.cursor, self._errors = version, 0
        self._heard_at = at

    def _unreadable(
        self, cause: str, length_bytes: int, raw: bytes, at: datetime
    ) -> Envelope | None:
        # What cannot be read cannot be redacted, and a plain digest could be guessed at.
        self.unreadable += 1
        if sum(gap.cause in ("decode", "line-too-long") for gap in self.gaps) >= LINE_GAPS:
            return None
        tag = hmac.digest(self.observer.redactor.key, raw, "sha256").hex()
        return self._gap(cause, at, bytes=length_bytes, hmac=tag)

    def _gap(self, cause: str, at: datetime, **details: Any) -> Envelope:
        envelope = self.observer.gap(
            self.stream,
            at=at,
            cause=cause,
            last_resource_version=self.cursor or None,
            last_seen_at=self.seen_at,
            **details,
        )
        self.gaps.append(OpenGap(envelope.id, cause))
        return envelope

    def _told_cursor(self) -> str | None:
        return None if self.needs_list else self.cursor


def heartbeat(observer: Observer, streams: Sequence[StreamObserver], *, at: datetime) -> Envelope:
    """How every stream stands, and how much was none of ours."""
    entries = [stream.entry() for stream in streams]
    return observer.coverage(
        "heartbeat", None, at=at, streams=entries, dropped=dict(observer.dropped)
    )


class _Metadata(msgspec.Struct):
    resourceVersion: str  # noqa: N815


class _Object(msgspec.Struct):
    metadata: _Metadata


_object_decoder = msgspec.json.Decoder(_Object)


def _version(raw_object: bytes) -> str:
    version = _object_decoder.decode(raw_object).metadata.resourceVersion
    if not (version.isascii() and version.isdigit()):
        raise ValueError("a resourceVersion that is not a number")
    return version


def _page(raw_page: bytes) -> ListPage:
    try:
        page = page_decoder.decode(raw_page)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        page = None
    if page is None or not page.metadata.resourceVersion.isdigit():
        raise ClusterUnreachable("Error from server: its answer is not a list")
    return page
