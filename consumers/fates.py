"""What became of each revision, asked of the facts: still live, renumbered, disowned, or deleted
and why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from consumers.pruning import Fate, Scene, Sibling, fate_of
from consumers.slack import earlier, later
from ledger.store import Ledger


@dataclass(slots=True)
class Fates:
    """Reads facts only."""

    ledger: Ledger

    def of(self, workload_uid: str, revision_uid: str, number: int) -> Fate:
        """The fate of a number that a ControllerRevision held under an incarnation."""
        key = {"workload_uid": workload_uid, "revision_uid": revision_uid, "number": number}
        row = self.ledger.row("fold/revision_fate", key)
        if row is None:
            return Fate(live=False, exists=False)
        facts = row | {"revision_uid": revision_uid}
        scene = self._scene(workload_uid, facts) if facts["deleted_at"] is not None else None
        return fate_of(facts, workload_uid, scene)

    def decided_by(self, workload_uid: str, seen_at: str) -> list[str]:
        """The uids of the incarnation's pruned revisions whose reason may rest on a state of the
        set, or of one of its pods, that was seen at that time.
        """
        key = {"workload_uid": workload_uid, "since": earlier(seen_at)}
        return [row["revision_uid"] for row in self.ledger.rows("fold/pruned_near", key)]

    def _scene(self, workload_uid: str, facts: dict[str, Any]) -> Scene:
        workload = self.ledger.row("fold/workload", {"uid": workload_uid})
        object_id = workload["object_id"] if workload else None
        deleted_at = str(facts["deleted_at"])
        key = {"workload_uid": workload_uid, "deleted_version": facts["deleted_version"]}
        siblings = self.ledger.rows("fold/siblings_alive", key)
        return Scene(
            siblings=[Sibling(row["uid"], row["name"], row["number"]) for row in siblings],
            rules=self._rules(object_id, deleted_at, self._held(workload_uid, facts)),
            set_is_going=self._is_going(object_id, workload, deleted_at),
            set_goes_soon=self._is_going(object_id, workload, later(deleted_at)),
        )

    def _rules(
        self, object_id: int | None, deleted_at: str, held: frozenset[str]
    ) -> list[tuple[int, frozenset[str]]]:
        """The rule in force at the deletion comes first, then those that came soon after."""
        key = {
            "object_id": object_id,
            "since_at": earlier(deleted_at),
            "deleted_at": deleted_at,
            "until_at": later(deleted_at),
        }
        return [
            (row["history_limit"], held | {row["current_revision"], row["update_revision"]})
            for row in self.ledger.rows("fold/limits_near", key)
        ]

    def _held(self, workload_uid: str, facts: dict[str, Any]) -> frozenset[str]:
        """The names of the revisions that pods carried from before the deletion until after it.

        A pod that came or went about then may or may not have been counted; leaving it out never
        turns the limit's work into somebody's. An end counts by its version as well as by its time,
        since a watch that catches up tells of it late.
        """
        key = {
            "workload_uid": workload_uid,
            "since_at": earlier(str(facts["deleted_after"] or facts["deleted_at"])),
            "until_at": later(str(facts["deleted_at"])),
            "deleted_version": facts["deleted_version"],
        }
        return frozenset(row["revision"] for row in self.ledger.rows("fold/revisions_held", key))

    def _is_going(self, object_id: int | None, workload: Any, until_at: str) -> bool:
        deleted_at = workload["object_deleted_at"] if workload else None
        terminating = self.ledger.row("fold/terminating_since", {"object_id": object_id})
        since = [at for at in (deleted_at, terminating and terminating["observed_at"]) if at]
        return any(at <= until_at for at in since)
