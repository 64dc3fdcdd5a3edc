"""Where the sealed originals lie in the log: their positions alone, so that nobody has what is
sealed who only reads a ledger.
"""

from __future__ import annotations

from dataclasses import dataclass

from consumers.projection import Observed, Touched
from ledger.sealed import sealed_in
from ledger.store import Ledger


@dataclass(slots=True)
class SealedOriginals:
    """Writes `sealed`."""

    ledger: Ledger
    touched: Touched

    def apply(self, observed: Observed) -> None:
        """Take in a sealed original. Raises PoisonRecord for what is none."""
        if observed.fact != "sealed":
            return
        sealed = sealed_in(observed.document.data)
        row = {
            "position": observed.position,
            "template_digest": sealed.template,
            "key_id": sealed.key,
            "recipients": len(sealed.recipients),
            "sealed_at": observed.document.time,
        }
        self.ledger.put("sealed", [row])
        self.touched.sealed.add(sealed.template)

    def settle(self) -> None:
        """Nothing is derived here."""

    def forget(self) -> None:
        """Nothing is cached."""
