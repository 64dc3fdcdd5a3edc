"""Where audit events come from, as a watcher sees it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import msgspec
import structlog

from ledger.envelope import Envelope
from ledger.errors import RedactionFailed
from ledger.observe import Observer
from ledger.outbox import Outbox
from ledger.pace import Pace

UNREADABLE = (msgspec.DecodeError, ValueError, RecursionError, RedactionFailed)
"""What a raw event can be refused with."""

LOUD = 100
"""So many of a kind are told one by one, then every so many."""

_log = structlog.get_logger("ledger.audit")


@dataclass(slots=True)
class Told:
    """What came through one source so far."""

    counts: Counter[str] = field(default_factory=Counter)
    """Events by outcome: `kept`, `dropped` (no write to a kind we keep), `unreadable`; and what
    else a source has to count."""

    heard_at: datetime | None = None
    """When the last event came."""

    def count(self, outcome: str) -> bool:
        """One more of these; whether to say so, which of thousands is not done one by one."""
        self.counts[outcome] += 1
        count = self.counts[outcome]
        return count <= LOUD or count % LOUD == 0


@dataclass(slots=True)
class Door:
    """Turns raw events into envelopes, and counts what came."""

    observer: Observer
    told: Told

    def take(self, raw_event: bytes, *, at: datetime) -> Envelope | None:
        """The envelope of an event, None for one that is not kept or cannot be read."""
        self.told.heard_at = at
        try:
            envelope = self.observer.audited(raw_event, at=at)
        except UNREADABLE as wrong:
            if self.told.count("unreadable"):
                _log.warning(
                    "an audit event cannot be read",
                    reason=type(wrong).__name__,
                    bytes=len(raw_event),
                    so_far=self.told.counts["unreadable"],
                )
            return None
        self.told.count("kept" if envelope else "dropped")
        return envelope


class AuditSource(Protocol):
    """One way in."""

    @property
    def name(self) -> str:
        """`file` or `webhook`, and which: a metric's label."""

    @property
    def told(self) -> Told:
        """What came so far."""

    def entry(self) -> dict[str, Any]:
        """What a heartbeat says of it; all that it has brought in is in the log before that."""

    async def run(self, observer: Observer, outbox: Outbox, pace: Pace) -> None:
        """Bring events in until cancelled."""
