"""Holes in a watcher's own count: a record that was numbered and never arrived is lost data, and a
gap.

Nothing else can notice a record that vanished from the log whole, its neighbours untouched. The
holes are a function of the set of records: one that arrives late closes its hole.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from ledger.canonical import from_bytes, to_bytes
from ledger.envelope import Document
from ledger.model import Position
from ledger.store import Ledger

CAUSE = "sequence-jump"


@dataclass(frozen=True, slots=True)
class _Hole:
    """Numbers that never came: the first and the last, and the records on either side of them."""

    first: int
    last: int
    seen_at: str
    told_at: str
    position: int


@dataclass(slots=True)
class Sequences:
    """Keeps the gaps of cause `sequence-jump`."""

    ledger: Ledger
    _holes: dict[int, list[_Hole]] = field(default_factory=dict)
    _changed: dict[int, str] = field(default_factory=dict)

    def take(self, instance: dict[str, Any], document: Document, position: Position) -> None:
        """Count a record of an instance, whose row (as in `instances`) moves on with it."""
        number, last = document.sequence, instance["last_sequence"]
        if number > last + 1:
            hole = _Hole(
                last + 1, number - 1, instance["last_sequence_at"], document.time, position
            )
            self._of(instance).append(hole)
            self._changed[instance["id"]] = instance["instance"]
        if number > last:
            instance["last_sequence"], instance["last_sequence_at"] = number, document.time
        elif last > 0:
            self._fill(instance, number, document.time, position)

    def settle(self) -> None:
        """Write the holes of the instances whose holes have changed."""
        for instance_id, name in self._changed.items():
            told = {"instance_id": instance_id, "cause": CAUSE}
            self.ledger.run("fold/drop_gaps_of_instance", told)
            self.ledger.put("gaps", [told | _row(name, hole) for hole in self._holes[instance_id]])
        self._changed.clear()

    def forget(self) -> None:
        """Drop what is cached: the transaction was rolled back."""
        self._holes.clear()
        self._changed.clear()

    def _of(self, instance: dict[str, Any]) -> list[_Hole]:
        key = instance["id"]
        if key not in self._holes:
            rows = self.ledger.rows("fold/gaps_of_instance", {"instance_id": key, "cause": CAUSE})
            self._holes[key] = [_hole(row) for row in rows]
        return self._holes[key]

    def _fill(self, instance: dict[str, Any], number: int, at: str, position: int) -> None:
        holes = self._of(instance)
        for index, hole in enumerate(holes):
            if hole.first <= number <= hole.last:
                below = replace(hole, last=number - 1, told_at=at, position=position)
                above = replace(hole, first=number + 1, seen_at=at)
                holes[index : index + 1] = [
                    part for part in (below, above) if part.first <= part.last
                ]
                self._changed[instance["id"]] = instance["instance"]
                return


def _row(instance: str, hole: _Hole) -> dict[str, Any]:
    detail = {"instance": instance, "first": hole.first, "last": hole.last}
    return {
        "id": f"sequence/{instance}/{hole.first}",
        "kind": "*",
        "scope": "*",
        "last_seen_at": hole.seen_at or hole.told_at,
        "opened_at": hole.told_at,
        "closed_at": None,
        "last_version": None,
        "next_version": None,
        "detail": to_bytes(detail).decode(),
        "position": hole.position,
    }


def _hole(row: Any) -> _Hole:
    detail = from_bytes(row["detail"].encode())
    return _Hole(
        detail["first"], detail["last"], row["last_seen_at"], row["opened_at"], row["position"]
    )
