"""States whose content was withheld at the watcher: too large for a record, or not to be examined
for secrets. That the object was so, and when, is known; its content is a gap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from consumers.projection import Observed
from ledger.canonical import to_bytes
from ledger.store import Ledger


@dataclass(slots=True)
class Withheld:
    """Keeps `withheld`, and a gap for each of its rows."""

    ledger: Ledger
    _rows: list[tuple[Any, ...]] = field(default_factory=list)
    _gaps: list[dict[str, Any]] = field(default_factory=list)

    def apply(self, observed: Observed) -> None:
        """Take in a state or deletion without its data."""
        document = observed.document
        if not document.withheld or not observed.object_id or not observed.is_news:
            return
        version = document.version_number
        self._rows.append(
            (
                observed.position,
                observed.object_id,
                version,
                document.time,
                document.withheld,
                document.withhelddigest,
                document.withheldbytes,
            )
        )
        self._gaps.append(
            {
                "id": document.id,
                "kind": observed.plural,
                "scope": document.ref.namespace or "*",
                "cause": document.withheld,
                "last_seen_at": document.time,
                "opened_at": document.time,
                "closed_at": document.time,
                "last_version": version,
                "next_version": version,
                "instance_id": observed.instance_id,
                "detail": _detail(observed),
                "position": observed.position,
            }
        )

    def settle(self) -> None:
        """Write what the batch has gathered."""
        self.ledger.insert("withheld", self._rows)
        self.ledger.put("gaps", self._gaps)
        self.forget()

    def forget(self) -> None:
        """Drop what the batch gathered."""
        self._rows.clear()
        self._gaps.clear()


def _detail(observed: Observed) -> str:
    document = observed.document
    told = {"name": document.ref.name, "uid": document.objectuid, "bytes": document.withheldbytes}
    return to_bytes(told).decode()
