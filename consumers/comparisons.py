"""Lists that check the watch: what they hold below the point that the watch had reached, the watch
must have told.

The API server's own watch cache has lost changes (kubernetes#123072), and nobody downstream can
tell from the watch alone. So every stream is listed again about once an hour; a state or a deletion
that only such a list knows of is a gap of cause `relist-mismatch`. The state itself is recovered by
being listed, the deletion by snapshots.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from consumers.projection import Observed, Touched
from ledger.canonical import to_bytes
from ledger.store import Ledger, Row

CAUSE = "relist-mismatch"
NAMED = 50
"""So many objects are named in a gap; all are counted."""


@dataclass(slots=True)
class Comparisons:
    """Keeps the gaps of cause `relist-mismatch`."""

    ledger: Ledger
    touched: Touched
    _told_again: set[tuple[int, int]] = field(default_factory=set)
    _coverage_moved: bool = False

    def apply(self, observed: Observed) -> None:
        """Mind what may change the answer: coverage that goes on, a state that was listed and is
        now told by a watch.
        """
        if observed.fact == "coverage":
            self._coverage_moved = True
        elif observed.disposition in ("duplicate", "recoding") and not observed.document.snapshot:
            self._told_again.add((observed.object_id, observed.document.version_number))

    def settle(self) -> None:
        """Compare the complete lists for which something has changed."""
        for snapshot in self._due().values():
            self._compare(dict(snapshot))
        self.forget()

    def forget(self) -> None:
        """Drop what the batch gathered."""
        self._told_again.clear()
        self._coverage_moved = False

    def _due(self) -> dict[str, Row]:
        rows: list[Row] = []
        if self._coverage_moved:
            rows += self.ledger.rows("fold/comparisons", {})
        for object_id, version in self._told_again:
            key = {"object_id": object_id, "version": version}
            rows += self.ledger.rows("fold/comparisons_listing", key)
        for uid in self.touched.existence:
            rows += self.ledger.rows("fold/comparisons_about", {"uid": uid})
        return {row["id"]: row for row in rows if row["complete"]}

    def _compare(self, snapshot: dict[str, Any]) -> None:
        # A deletion may still be on its way until the watch has gone past the list.
        is_past = self.ledger.row("fold/is_past", snapshot) is not None
        states = self.ledger.rows("fold/untold_states", snapshot)
        deletions = self.ledger.rows("fold/untold_deletions", snapshot) if is_past else []
        self.ledger.run("fold/drop_gap", {"id": f"relist/{snapshot['id']}"})
        if states or deletions:
            self.ledger.put("gaps", [self._gap(snapshot, states, deletions)])
        if is_past and not snapshot["compared"]:
            self.ledger.put("snapshots", [snapshot | {"compared": 1}])

    def _gap(
        self, snapshot: dict[str, Any], states: list[Row], deletions: list[Row]
    ) -> dict[str, Any]:
        before = self.ledger.row("fold/snapshot_before", snapshot)
        detail = {
            "changed": len(states),
            "deleted": len(deletions),
            "objects": [_named(row) for row in [*states, *deletions][:NAMED]],
        }
        return {
            "id": f"relist/{snapshot['id']}",
            "kind": snapshot["kind"],
            "scope": snapshot["scope"],
            "cause": CAUSE,
            "last_seen_at": before["began_at"] if before else snapshot["began_at"],
            "opened_at": snapshot["ended_at"],
            "closed_at": snapshot["ended_at"],
            "last_version": before["resource_version"] if before else None,
            "next_version": snapshot["resource_version"],
            "instance_id": snapshot["instance_id"],
            "detail": to_bytes(detail).decode(),
            "position": snapshot["position"],
        }


def _named(row: Row) -> dict[str, str]:
    return {"name": row["name"], "uid": row["uid"]}
