"""The alarms when an object's content had to be withheld or its original could not be sealed: its
name, and nothing of what is in it.

The record of an object that is withheld has an envelope without data; that is observe.py's matter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from ledger.model import ObjectRef

_KEPT = 10_000
"""Above this many objects each of their states is told: better twice than never."""


@dataclass(slots=True)
class Alarms:
    """Says once per object what could not be kept of it."""

    _told: set[tuple[str, str]] = field(default_factory=set)

    def tell(self, ref: ObjectRef, reason: str, *, size_bytes: int) -> None:
        """One warning line: the content of this object is withheld."""
        self._warn("content withheld", ref, reason, bytes=size_bytes)

    def unsealed(self, ref: ObjectRef, reason: str) -> None:
        """One warning line: this object's pod template cannot be restored later."""
        self._warn("original not sealed", ref, reason)

    def _warn(self, what: str, ref: ObjectRef, reason: str, **details: int) -> None:
        # Once per object and reason, so that a set whose status changes all the time says it once.
        if (ref.uid, reason) in self._told:
            return
        if len(self._told) < _KEPT:
            self._told.add((ref.uid, reason))
        structlog.get_logger("ledger.withholding").warning(
            what,
            kind=ref.plural,
            namespace=ref.namespace,
            name=ref.name,
            reason=reason,
            **details,
        )
