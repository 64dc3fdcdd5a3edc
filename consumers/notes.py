"""What people added later: a row for each note, as it was said; delivered twice it is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import msgspec

from consumers.projection import Observed
from ledger.errors import PoisonRecord
from ledger.store import Ledger


class _Note(msgspec.Struct, rename="camel"):
    workload_uid: str
    said_by: str
    number: Annotated[int, msgspec.Meta(gt=-(2**62), lt=2**62)] | None = None
    revision_uid: str = ""
    ticket: str | None = None
    approver: str | None = None
    message: str | None = None


@dataclass(slots=True)
class Notes:
    """Writes `notes`."""

    ledger: Ledger

    def apply(self, observed: Observed) -> None:
        """Take in a note. Raises PoisonRecord for what is none."""
        if observed.fact != "note":
            return
        try:
            note = msgspec.convert(observed.document.data, _Note)
        except msgspec.ValidationError as wrong:
            raise PoisonRecord(f"not a note: {wrong}") from None
        key = {"note_id": observed.document.id}
        if self.ledger.row("fold/note", key) is None:
            row = msgspec.structs.asdict(note) | {"said_at": observed.document.time}
            self.ledger.put("notes", [{"position": observed.position} | key | row])

    def settle(self) -> None:
        """Nothing is derived here."""

    def forget(self) -> None:
        """Nothing is cached."""
