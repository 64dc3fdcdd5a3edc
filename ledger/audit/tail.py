"""Follows the API server's audit log file (`--audit-log-path`)."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import structlog

from ledger.audit.file import AuditFile, Lines, Place
from ledger.audit.source import Door, Told
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
    told: Told = field(default_factory=Told)

    @property
    def name(self) -> str:
        """The file."""
        return f"file:{self.path}"

    def entry(self) -> dict[str, Any]:
        """The file, and how far it was read."""
        place = asdict(self.place) if self.place else {}
        return {"file": str(self.path), **place, "counts": dict(self.told.counts)}

    async def run(self, observer: Observer, outbox: Outbox, pace: Pace) -> None:
        """Follow the file, also where it does not exist yet or may not be read at present."""
        file, door = AuditFile(self.path, self.place), Door(observer, self.told)
        try:
            while True:
                lines = await self._read(file)
                for raw_line, place in lines:
                    envelope = door.take(raw_line, at=pace.now())
                    if envelope is not None:
                        outbox.put(envelope)
                    self.place = place
                    if outbox.is_full:
                        await outbox.room()
                    await asyncio.sleep(0)
                if not lines:
                    await pace.sleep(IDLE_SECONDS if file.is_readable else REFUSED_SECONDS)
        finally:
            file.close()

    async def _read(self, file: AuditFile) -> Lines:
        lost, counts = file.lost, self.told.counts
        try:
            return await asyncio.to_thread(file.read)
        except OSError as wrong:
            why = wrong.strerror or type(wrong).__name__
            _log.warning("the audit log cannot be read", file=str(self.path), reason=why)
            return []
        finally:
            counts["too-long"], counts["lost"] = file.too_long, file.lost
            if file.lost > lost:
                _log.warning(
                    "a stretch of the audit log may be gone: who made its changes stays less sure",
                    file=str(self.path),
                    hint="`rollout-ledger import` reads a file that was kept elsewhere",
                )
