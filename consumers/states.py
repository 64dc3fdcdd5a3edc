"""State facts: a row for each state of an object in which something that counts changed.

Rows are kept by resourceVersion and a state that equals the one before it gets none. When an older
state turns up late, the one behind it may have been left out because it equalled what came before:
it is put back, so that what is derived from the rows does not depend on the order of the records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from consumers.projection import Observed
from ledger.store import Ledger, Row

IsChange = Callable[[Row, Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Noted:
    """Whether a state got a row, and the row beneath it (None: it is the first)."""

    is_change: bool
    before: Row | None


@dataclass(slots=True)
class States:
    """One table of states, such as `pod_states` (noun `pod`).

    It goes by the named queries fold/<noun>_state_before (the row beneath a version),
    fold/<noun>_state_above (the first version above it that has a row) and
    fold/<noun>_state_seen_at (an earlier time for a row that exists).
    """

    ledger: Ledger
    noun: str
    is_change: IsChange
    _late: list[tuple[int, int]] = field(default_factory=list)

    def note(self, observed: Observed, row: Mapping[str, Any]) -> Noted:
        """Keep the state if it differs from the one beneath it."""
        key = {"object_id": observed.object_id, "version": observed.document.version_number}
        before = self.ledger.row(f"fold/{self.noun}_state_before", key)
        if before is not None and not self.is_change(before, row):
            return Noted(False, before)
        self.ledger.put(f"{self.noun}_states", [place_of(observed) | dict(row)])
        if observed.disposition == "late":
            self._late.append((key["object_id"], key["version"]))
        return Noted(True, before)

    def see_again(self, observed: Observed) -> bool:
        """Of several records of one state the earliest tells when it was seen; True when that
        changed a row.
        """
        key = {
            "object_id": observed.object_id,
            "version": observed.document.version_number,
            "observed_at": observed.document.time,
        }
        return self.ledger.run(f"fold/{self.noun}_state_seen_at", key) > 0

    def settle(self) -> None:
        """Put back what a late state has made to differ; the batch's observations are written."""
        for object_id, version in sorted(self._late):
            self._put_back(object_id, version)
        self._late.clear()

    def forget(self) -> None:
        """Drop what the batch has noted: the transaction was rolled back."""
        self._late.clear()

    def _put_back(self, object_id: int, version: int) -> None:
        key = {"object_id": object_id, "version": version}
        before = self.ledger.row(f"fold/{self.noun}_state_before", key)
        behind = self.ledger.row("fold/next_observation", key)
        if before is None or behind is None:
            return
        above = self.ledger.row(f"fold/{self.noun}_state_above", key)
        if above is not None and above["version"] == behind["resource_version"]:
            return
        self.ledger.put(f"{self.noun}_states", [before | behind])


def place_of(observed: Observed) -> dict[str, Any]:
    """The columns that every table of states begins with."""
    return {
        "object_id": observed.object_id,
        "resource_version": observed.document.version_number,
        "position": observed.position,
        "observed_at": observed.document.time,
    }
