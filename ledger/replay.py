"""A recording of a real cluster, taken down the same line as a live one.

The recorded times are the clock; what the API server said then is observed, sealed and appended as
it would have been. Only the network is left out.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from ledger.answers import Expired
from ledger.envelope import Envelope
from ledger.errors import ClusterUnreachable, LogUnusable
from ledger.log import Log
from ledger.model import KIND_BY_PLURAL, parse_timestamp
from ledger.observe import Observer, Stream
from ledger.outbox import BATCH_BYTES, BATCH_RECORDS
from ledger.standing import Standing
from ledger.stream import StreamObserver
from ledger.watcher import HEARTBEAT_SECONDS

FORMAT = 1
OPERATIONS = ("list", "watch", "audit", "step", "end")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line of a recording: when, what (list, watch, audit, step, end), of which stream."""

    at: datetime
    op: str
    stream: str
    raw: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did: lines read, records appended, and the time the recording covers."""

    lines: int
    records: int
    began_at: datetime
    ended_at: datetime


async def replay(path: Path, log: Log, observer_of: Callable[[str], Observer]) -> Replayed:
    """Append a whole recording to a log; `observer_of` makes the observer of its cluster.

    Raises LogUnusable for a file that is not a recording, or not a whole one; what came before the
    damage is then in the log, as after a crash.
    """
    header, lines = read_recording(path)
    playing = _Playing(observer_of(str(header["cluster"])), parse_timestamp(header["began_at"]))
    began_at = playing.at
    batch: list[Envelope] = []
    count = records = size = 0
    for line in lines:
        count += 1
        for envelope in _told(path, playing.envelopes(line)):
            batch += envelope.in_order
            size += len(envelope.value)
            if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
                await log.append(batch)
                records, batch, size = records + len(batch), [], 0
    if batch:
        await log.append(batch)
    if not playing.has_ended:
        raise LogUnusable(f"{path} is a damaged recording: it has no end")
    return Replayed(count, records + len(batch), began_at, playing.at)


def read_recording(path: Path) -> tuple[dict[str, Any], Iterator[Recorded]]:
    """The header of a recording and its lines, read as they are asked for.

    Raises LogUnusable for a file that is not a recording.
    """
    raw_lines = _raw_lines(path)
    try:
        header = msgspec.json.decode(next(raw_lines, b""))
        if header["op"] != "header" or header["format"] != FORMAT or not header["cluster"]:
            raise ValueError("it has no header of a known format")
        parse_timestamp(header["began_at"])
    except (msgspec.DecodeError, ValueError, KeyError, TypeError) as wrong:
        raise LogUnusable(f"{path} is not a recording: {wrong}") from None
    return header, (_recorded(path, raw_line) for raw_line in raw_lines)


@dataclass(slots=True)
class _Playing:
    """The streams of a recording so far, and the recorded time."""

    observer: Observer
    at: datetime
    has_ended: bool = False
    _streams: dict[str, StreamObserver] = field(default_factory=dict)
    _next_beat: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._next_beat = self.at + timedelta(seconds=HEARTBEAT_SECONDS)

    def envelopes(self, line: Recorded) -> Iterator[Envelope]:
        """What a watcher would have appended from the line before to this one."""
        while self._next_beat <= line.at:
            yield self.observer.heartbeat(
                [stream.entry() for stream in self._streams.values()],
                at=self._next_beat,
                skew_seconds=None,
            )
            self._next_beat += timedelta(seconds=HEARTBEAT_SECONDS)
        self.at = line.at
        if line.op == "list":
            yield from self._listed(line)
        elif line.op == "watch":
            yield from self._watched(line)
        elif line.op == "audit":
            yield from self._audited(line)
        elif line.op == "end":
            self.has_ended = True
            for stream in self._streams.values():
                yield stream.stop(at=line.at)

    def _listed(self, line: Recorded) -> Iterator[Envelope]:
        stream = self._streams.get(line.stream)
        if stream is None:
            stream = StreamObserver(Stream(KIND_BY_PLURAL[line.stream], "*"), self.observer)
            self._streams[line.stream] = stream
            yield from stream.start(Standing(), at=line.at)
        try:
            yield from stream.listed(line.raw.encode(), asked_at=line.at, at=line.at)
        except (Expired, ClusterUnreachable) as wrong:
            raise LogUnusable(f"a list of {line.stream} is none: {wrong}") from None
        stream.accept()

    def _watched(self, line: Recorded) -> Iterator[Envelope]:
        stream = self._streams.get(line.stream)
        if stream is None:
            raise LogUnusable(f"{line.stream} were watched before they were listed")
        try:
            envelope = stream.watched(line.raw.encode(), at=line.at)
        except Expired as ending:
            yield from stream.expire(ending.cause, at=line.at)
        except ClusterUnreachable:
            stream.connected = False
        else:
            stream.accept()
            yield from (envelope,) if envelope else ()

    def _audited(self, line: Recorded) -> Iterator[Envelope]:
        try:
            envelope = self.observer.audited(line.raw.encode(), at=line.at)
        except ValueError as wrong:
            raise LogUnusable(f"an audit event is none: {wrong}") from None
        yield from (envelope,) if envelope else ()


def _told(path: Path, envelopes: Iterator[Envelope]) -> Iterator[Envelope]:
    try:
        yield from envelopes
    except LogUnusable as wrong:
        raise LogUnusable(f"{path} is a damaged recording: {wrong}") from None


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            yield from io.BufferedReader(stream)
    except (OSError, zstandard.ZstdError) as wrong:
        raise LogUnusable(f"{path} cannot be read: {wrong}") from wrong


def _recorded(path: Path, raw_line: bytes) -> Recorded:
    try:
        line = msgspec.json.decode(raw_line)
        op, stream, raw = line["op"], line.get("stream", ""), line.get("raw", "")
        if op not in OPERATIONS or not isinstance(raw, str):
            raise ValueError(f"a line of an unknown kind, {op!r}")
        if op in ("list", "watch") and stream not in KIND_BY_PLURAL:
            raise ValueError(f"a stream that we do not know, {stream!r}")
        return Recorded(parse_timestamp(line["at"]), op, stream, raw)
    except (msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise LogUnusable(f"{path} is a damaged recording: {wrong}") from None
