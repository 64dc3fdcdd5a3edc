"""Follows the API server's audit log file (`--audit-log-path`)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from ledger.audit.file import AuditFile, Place
from ledger.audit.source import Door
from ledger.observe import Observer
from ledger.outbox import Outbox
from ledger.pace import Pace

IDLE_SECONDS = 0.2
REFUSED_SECONDS = 5.0

_log = structlog.get_logger("ledger.audit")


@dataclass(slots=True)
class AuditTail:
    """One file. After a restart it goes on from the place that the log's last heartbeat tells; what
    came after that is read again, and absorbed.
    """

    path: Path
    place: Place | None = None
    _counts: Counter[str] = field(default_factory=Counter)
    _told: int = 0

    @property
    def counts(self) -> Mapping[str, int]:
        """Lines so far, by outcome."""
        return self._counts

    def entry(self) -> dict[str, Any]:
        """The file, and how far it was read."""
        place = self.place
        where = (
            {"inode": place.inode, "offset": place.offset, "digest": place.digest} if place else {}
        )
        return {"file": str(self.path), **where, "counts": dict(self._counts)}

    async def run(self, observer: Observer, outbox: Outbox, pace: Pace) -> None:
        """Follow the file, also where it does not exist yet or may not be read at present."""
        file, door = AuditFile(self.path, self.place), Door(observer, self._counts)
        while True:
            try:
                lines = await asyncio.to_thread(file.read)
            except OSError as wrong:
                _log.warning("the audit log cannot be read", file=str(self.path), reason=str(wrong))
                file.close()
                await pace.sleep(REFUSED_SECONDS)
                continue
            for raw_line, place in lines:
                envelope = door.take(raw_line, at=pace.now())
                if envelope is not None:
                    outbox.put(envelope)
                self.place = place
                if outbox.is_full:
                    await outbox.room()
                await asyncio.sleep(0)
            self._tell(file)
            if not lines:
                await pace.sleep(IDLE_SECONDS)

    def _tell(self, file: AuditFile) -> None:
        self._counts["too-long"], self._counts["lost"] = file.too_long, file.lost
        if file.lost > self._told:
            self._told = file.lost
            _log.warning(
                "a stretch of the audit log is gone: who made its changes stays less sure",
                file=str(self.path),
                hint="`rollout-ledger import` reads a file that was kept elsewhere",
            )
