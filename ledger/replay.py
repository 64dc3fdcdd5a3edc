"""A recording of a real cluster, taken down the same line as a live one.

The recorded times are the clock; what the API server said then is sealed, redacted and appended as
it would have been. Only the reading of the network is left out.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from ledger.envelope import Envelope
from ledger.errors import LogUnusable
from ledger.log import Log
from ledger.model import KIND_BY_PLURAL, parse_timestamp
from ledger.observe import Observer, Stream
from ledger.watch import take_line, take_list
from ledger.watcher import BATCH_RECORDS, HEARTBEAT_SECONDS

FORMAT = 1


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

    Raises LogUnusable for a file that is not a recording.
    """
    header, lines = read_recording(path)
    observer = observer_of(str(header["cluster"]))
    batch: list[Envelope] = []
    count = appended = 0
    began_at = ended_at = parse_timestamp(header["began_at"])
    for count, sealed in _sealed(observer, lines, began_at):  # noqa: B007 - the last one is told
        batch += sealed.envelopes
        ended_at = sealed.at
        if len(batch) >= BATCH_RECORDS:
            await log.append(batch)
            appended, batch = appended + len(batch), []
    if batch:
        await log.append(batch)
    return Replayed(count, appended + len(batch), began_at, ended_at)


def read_recording(path: Path) -> tuple[dict[str, Any], Iterator[Recorded]]:
    """The header of a recording and its lines, read as they are asked for.

    Raises LogUnusable for a file that is not a recording.
    """
    raw_lines = _raw_lines(path)
    try:
        header = msgspec.json.decode(next(raw_lines, b""))
        if header["op"] != "header" or header["format"] != FORMAT:
            raise ValueError("it has no header of a known format")
    except (msgspec.DecodeError, ValueError, KeyError, TypeError) as wrong:
        raise LogUnusable(f"{path} is not a recording: {wrong}") from None
    return header, (_recorded(path, raw_line) for raw_line in raw_lines)


@dataclass(frozen=True, slots=True)
class _Sealed:
    at: datetime
    envelopes: list[Envelope]


def _sealed(
    observer: Observer, lines: Iterator[Recorded], began_at: datetime
) -> Iterator[tuple[int, _Sealed]]:
    cursors: dict[str, str] = {}
    next_beat = began_at + timedelta(seconds=HEARTBEAT_SECONDS)
    for count, line in enumerate(lines, start=1):
        envelopes = []
        while line.at >= next_beat:
            envelopes.append(_heartbeat(observer, cursors, next_beat))
            next_beat += timedelta(seconds=HEARTBEAT_SECONDS)
        if line.op in ("list", "watch"):
            envelopes += _taken(observer, cursors, line)
        elif line.op == "end":
            envelopes += _stopped(observer, cursors, line.at)
        yield count, _Sealed(line.at, envelopes)


def _taken(observer: Observer, cursors: dict[str, str], line: Recorded) -> list[Envelope]:
    stream = Stream(KIND_BY_PLURAL[line.stream], "*")
    raw = line.raw.encode()
    if line.op == "list":
        start = observer.coverage("stream-start", stream, at=line.at, mode="listed", cursor=None)
        listed = list(take_list(observer, stream, raw, line.at))
        cursors[stream.key] = msgspec.json.decode(raw)["metadata"]["resourceVersion"]
        return [start, *listed]
    taken = take_line(observer, stream, raw, line.at)
    cursors[stream.key] = taken.version or cursors.get(stream.key, "")
    return [taken.envelope] if taken.envelope else []


def _heartbeat(observer: Observer, cursors: dict[str, str], at: datetime) -> Envelope:
    streams = [
        {"kind": kind, "scope": scope, "cursor": cursor, "state": "live"}
        for (kind, _, scope), cursor in ((key.partition("/"), c) for key, c in cursors.items())
    ]
    return observer.coverage("heartbeat", None, at=at, streams=streams)


def _stopped(observer: Observer, cursors: dict[str, str], at: datetime) -> list[Envelope]:
    return [
        observer.coverage("stream-stop", Stream(KIND_BY_PLURAL[kind], scope), at=at, cursor=cursor)
        for (kind, _, scope), cursor in ((key.partition("/"), c) for key, c in cursors.items())
    ]


def _raw_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as stream:
            yield from io.BufferedReader(stream)
    except (OSError, zstandard.ZstdError) as wrong:
        raise LogUnusable(f"{path} cannot be read: {wrong}") from wrong


def _recorded(path: Path, raw_line: bytes) -> Recorded:
    try:
        line = msgspec.json.decode(raw_line)
        at = parse_timestamp(line["at"])
        return Recorded(at, line["op"], line.get("stream", ""), line.get("raw", ""))
    except (msgspec.DecodeError, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise LogUnusable(f"{path} is a damaged recording: {wrong}") from None
