"""The log as a list: for replays that need no file, and the shortest reading of the Log protocol.

It survives nothing. Whoever needs records after the process has ended uses sqlite.py or kafka.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ledger.envelope import Envelope
from ledger.errors import LogTruncated
from ledger.model import Position, Record


class MemoryLog:
    """A log that lives as long as the process."""

    def __init__(self) -> None:
        self._values: list[bytes] = []

    async def append(self, envelopes: Sequence[Envelope]) -> Position:
        """As Log.append; the records survive nothing."""
        self._values.extend(envelope.value for envelope in envelopes)
        return await self.head()

    async def read(self, after: Position, limit: int) -> list[Record]:
        """As Log.read."""
        # A reader that polls must not keep the appender of the same process from its turn.
        await asyncio.sleep(0)
        start = after + 1
        if start > len(self._values):
            raise LogTruncated(f"the log ends before record {after}, which was read from it")
        values = self._values[start : start + limit]
        return [Record(Position(start + i), value) for i, value in enumerate(values)]

    async def head(self) -> Position:
        """As Log.head."""
        return Position(len(self._values) - 1)

    async def close(self) -> None:
        """As Log.close."""
