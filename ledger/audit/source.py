"""Where audit events come from, as a watcher sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
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

_log = structlog.get_logger("ledger.audit")


@dataclass(slots=True)
class Door:
    """Turns raw events into envelopes, and counts what came, by outcome: `kept`, `dropped` (no
    write to a kind we keep) or `unreadable`.
    """

    observer: Observer
    counts: Counter[str] = field(default_factory=Counter)

    def take(self, raw_event: bytes, *, at: datetime) -> Envelope | None:
        """The envelope of an event, None for one that is not kept or cannot be read."""
        try:
            envelope = self.observer.audited(raw_event, at=at)
        except (msgspec.DecodeError, ValueError, RecursionError, RedactionFailed) as wrong:
            self.counts["unreadable"] += 1
            _log.warning(
                "an audit event cannot be read", reason=type(wrong).__name__, bytes=len(raw_event)
            )
            return None
        self.counts["kept" if envelope else "dropped"] += 1
        return envelope


class AuditSource(Protocol):
    """One way in."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Events so far, by outcome."""

    def entry(self) -> dict[str, Any]:
        """What a heartbeat says of it; all that it has brought in is in the log before that."""

    async def run(self, observer: Observer, outbox: Outbox, pace: Pace) -> None:
        """Bring events in until cancelled."""
