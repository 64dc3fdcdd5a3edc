"""Bytes of a watch, as they arrive, into its lines.

The library's own reader ends a watch at a line of 4 MiB; this one passes over what is too long and
goes on. What is left when the bytes end is half a line: it is never handed out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ledger.envelope import LIMIT_BYTES

LINE_LIMIT_BYTES = LIMIT_BYTES + 1024 * 1024
"""An object of the record limit, its wrapping, and what redaction may shorten."""


class WatchLine(msgspec.Struct):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK, ERROR or something newer, and the
    raw object.
    """

    type: str
    object: msgspec.Raw


line_decoder = msgspec.json.Decoder(WatchLine)


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line over the limit, passed over: its length and its SHA-256 in hex."""

    length_bytes: int
    digest: str


@dataclass(slots=True)
class LineSplitter:
    """Chunks in, whole lines out, without their newlines; holds no more than one line's limit."""

    limit_bytes: int = LINE_LIMIT_BYTES
    _parts: list[bytes] = field(default_factory=list)
    _length_bytes: int = 0
    _digest: Any = None

    def feed(self, chunk: bytes) -> list[bytes | LongLine]:
        """The lines that this chunk completes, in order; empty lines are left out."""
        first, *others = chunk.split(b"\n")
        self._hold(first)
        lines = []
        for part in others:
            lines.append(self._whole())
            self._hold(part)
        return [line for line in lines if line]

    def _hold(self, part: bytes) -> None:
        self._length_bytes += len(part)
        if self._digest is None and self._length_bytes > self.limit_bytes:
            self._digest = hashlib.sha256(b"".join(self._parts))
            self._parts.clear()
        if self._digest is not None:
            self._digest.update(part)
        elif part:
            self._parts.append(part)

    def _whole(self) -> bytes | LongLine:
        parts, length, digest = self._parts, self._length_bytes, self._digest
        self._parts, self._length_bytes, self._digest = [], 0, None
        if digest is not None:
            return LongLine(length, digest.hexdigest())
        return parts[0] if len(parts) == 1 else b"".join(parts)
