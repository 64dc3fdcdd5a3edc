"""What keeps the consumer from going on and may pass by itself: told once as it begins and once as
it ends, however often it is tried in between.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.errors import LedgerError
from ledger.notices import note, warn


@dataclass(slots=True)
class Outage:
    """Trouble of one kind of work; at most one lasts at a time."""

    goes_on: str
    """The sentence that ends it."""

    message: str = ""
    """What is wrong just now; empty while nothing is."""

    def met(self, wrong: LedgerError) -> None:
        """A try failed."""
        if not self.message:
            warn(wrong.message, wrong.hint)
        self.message = wrong.message

    def over(self) -> None:
        """A try went well."""
        if self.message:
            note(self.goes_on)
        self.message = ""
