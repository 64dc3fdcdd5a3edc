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
    _noted: set[tuple[int, int]] = field(default_factory=set)
    _left_out: dict[tuple[int, int], Callable[[], Mapping[str, Any]]] = field(default_factory=dict)
    """Of this batch, by object and version: late states, those with a row, those without."""

    def note(self, observed: Observed, row: Mapping[str, Any]) -> Noted:
        """Keep the state if it differs from the one beneath it."""
        place = (observed.object_id, observed.document.version_number)
        if observed.disposition == "late":
            self._late.append(place)
        before = self._beneath(*place)
        if before is not None and not self.is_change(before, row):
            self._left_out[place] = lambda: row
            return Noted(False, before)
        self.ledger.put(f"{self.noun}_states", [place_of(observed) | dict(row)])
        self._noted.add(place)
        return Noted(True, before)

    def leave_out(self, observed: Observed, row: Callable[[], Mapping[str, Any]]) -> None:
        """Of a state that is known to equal the one beneath it: which row it would have, should a
        late one come between.
        """
        self._left_out[observed.object_id, observed.document.version_number] = row

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
        objects = {object_id for object_id, _ in self._late}
        # A state that was left out in this batch may owe that to a late one, or to one not yet
        # put back.
        again = [(each, version - 1) for each, version in self._left_out if each in objects]
        for object_id, version in sorted({*self._late, *again}):
            self._put_back(object_id, version)
        self.forget()

    def forget(self) -> None:
        """Drop what the batch has noted: it is settled, or its transaction was rolled back."""
        self._late.clear()
        self._noted.clear()
        self._left_out.clear()

    def _put_back(self, object_id: int, version: int) -> None:
        """Give the first state above a version its row, if it has none and differs."""
        key = {"object_id": object_id, "version": version}
        behind = self.ledger.row("fold/next_observation", key)
        above = self.ledger.row(f"fold/{self.noun}_state_above", key)
        if behind is None or (above and above["version"] == behind["resource_version"]):
            return
        row = self._as_left_out(object_id, behind["resource_version"])
        beneath = self._beneath(object_id, behind["resource_version"])
        if row is not None and beneath is not None and self.is_change(beneath, row):
            self.ledger.put(f"{self.noun}_states", [{"object_id": object_id} | dict(row) | behind])
            if (object_id, behind["resource_version"]) in self._left_out:
                self._noted.add((object_id, behind["resource_version"]))

    def _as_left_out(self, object_id: int, version: int) -> Mapping[str, Any] | None:
        """A state that has no row, equal to what was beneath it when it was folded: a row of this
        batch was not yet there for one of an earlier batch.
        """
        if (object_id, version) in self._left_out:
            return self._left_out[object_id, version]()
        row = self._beneath(object_id, version)
        while row is not None and (object_id, row["resource_version"]) in self._noted:
            row = self._beneath(object_id, row["resource_version"])
        return row

    def _beneath(self, object_id: int, version: int) -> Row | None:
        key = {"object_id": object_id, "version": version}
        return self.ledger.row(f"fold/{self.noun}_state_before", key)


def place_of(observed: Observed) -> dict[str, Any]:
    """The columns that every table of states begins with."""
    return {
        "object_id": observed.object_id,
        "resource_version": observed.document.version_number,
        "position": observed.position,
        "observed_at": observed.document.time,
    }
