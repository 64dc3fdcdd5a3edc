"""The alarm when an object's content had to be withheld: its name, and nothing of what is in it.

The record of such an object has an envelope without data; that is observe.py's matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from ledger.model import ObjectRef

_KEPT = 10_000
"""Above this many objects each of their states is told: better twice than never."""


@dataclass(slots=True)
class Alarms:
    """Says once per object that its content is withheld."""

    _told: set[tuple[str, str]] = field(default_factory=set)

    def tell(self, ref: ObjectRef, reason: str, *, size_bytes: int) -> None:
        """One warning line, unless this object's was told for the same reason before."""
        if (ref.uid, reason) in self._told:
            return
        if len(self._told) < _KEPT:
            self._told.add((ref.uid, reason))
        structlog.get_logger("ledger.withholding").warning(
            "content withheld",
            kind=ref.plural,
            namespace=ref.namespace,
            name=ref.name,
            reason=reason,
            bytes=size_bytes,
        )
