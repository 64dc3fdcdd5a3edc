"""Snapshots, and the deletions that only a complete one can prove.

A list that is complete (as many kept objects as it announced) names every object of its kind and
scope at its resourceVersion: by a state of its own, or by its uid where nothing has changed since
the same watcher told its state. Whatever was alive before and is not named was deleted in between:
the time is an interval, from when the newest list that names it was asked for (or its creation) to
the snapshot, since a watch may tell late that it lived. An incomplete snapshot proves
nothing. (client-go calls this DeletedFinalStateUnknown.)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from consumers.projection import Observed, Touched
from ledger.errors import PoisonRecord
from ledger.rollout.raw import number
from ledger.store import Ledger


@dataclass(slots=True)
class Snapshots:
    """Folds snapshot-begin, listed states and snapshot-end, in whatever order they arrive."""

    ledger: Ledger
    touched: Touched
    _open: dict[str, dict[str, Any]] = field(default_factory=dict)
    _completed: list[dict[str, Any]] = field(default_factory=list)
    _newest: dict[str, int] | None = None
    _arrived: dict[int, str] = field(default_factory=dict)

    def apply(self, observed: Observed) -> None:
        """Take in a snapshot's marks and members, and states that an older snapshot may have
        missed.
        """
        document = observed.document
        if observed.fact == "coverage":
            self._mark(observed)
        elif observed.fact == "state":
            if document.snapshot:
                self._member(observed)
            if document.version_number <= self._newest_complete(observed.plural):
                self._arrived[observed.object_id] = document.objectuid

    def settle(self) -> None:
        """Infer deletions from the snapshots that the batch completed, and undo inferences it
        refuted.
        """
        self.ledger.put("snapshots", self._open.values())
        for snapshot in self._completed:
            self._infer(snapshot)
        for object_id, uid in self._arrived.items():
            self._review(object_id, uid)
        self._arrived.clear()
        self._completed.clear()
        self._open.clear()

    def forget(self) -> None:
        """Drop what the batch gathered: the transaction was rolled back."""
        self._open.clear()
        self._completed.clear()
        self._arrived.clear()
        self._newest = None

    def _mark(self, observed: Observed) -> None:
        data = observed.document.data
        mark = data.get("mark") if isinstance(data, dict) else None
        if mark not in ("snapshot-begin", "snapshot-part", "snapshot-end"):
            return
        try:
            snapshot = self._snapshot(str(data["snapshot"]), observed)
            members: dict[str, int | None] = {}
            if mark == "snapshot-part":
                members = _named(observed)
            else:
                _note_mark(snapshot, mark, observed)
        except (KeyError, TypeError, ValueError, AttributeError) as wrong:
            raise PoisonRecord(f"not a snapshot: {type(wrong).__name__} {wrong}") from None
        for uid, version in members.items():
            self._add(snapshot, uid, version)
        self._complete(snapshot)

    def _member(self, observed: Observed) -> None:
        snapshot = self._snapshot(observed.document.snapshot, observed)
        self._add(snapshot, observed.document.objectuid, None)
        self._complete(snapshot)

    def _add(self, snapshot: dict[str, Any], uid: str, version: int | None) -> None:
        if not snapshot["complete"]:
            key = {"snapshot": snapshot["id"], "uid": uid, "version": version}
            snapshot["listed"] += self.ledger.run("fold/add_member", key)

    def _snapshot(self, snapshot_id: str, observed: Observed) -> dict[str, Any]:
        if snapshot_id not in self._open:
            row = self.ledger.row("fold/snapshot", {"id": snapshot_id})
            self._open[snapshot_id] = row or _fresh_snapshot(snapshot_id, observed)
        return self._open[snapshot_id]

    def _complete(self, snapshot: dict[str, Any]) -> None:
        if (
            not snapshot["complete"]
            and snapshot["began_at"]
            and snapshot["ended_at"]
            and snapshot["listed"] == snapshot["announced"]
        ):
            snapshot["complete"] = 1
            self._completed.append(snapshot)

    def _infer(self, snapshot: dict[str, Any]) -> None:
        for row in self.ledger.rows("fold/members_alive", snapshot):
            # An inferred deletion is known to have been later than it was thought.
            if row["deleted_how"] == "inferred":
                self.touched.existence.add(row["uid"])
        for row in self.ledger.rows("fold/missing_from_snapshot", snapshot):
            self._settle_deletion(row["id"], row["uid"], snapshot)
        self.ledger.run("fold/drop_members", snapshot)
        self.ledger.run("fold/count_unheld", snapshot)
        self._newest = None
        self.touched.baselines.add((snapshot["kind"], snapshot["scope"]))

    def _review(self, object_id: int, uid: str) -> None:
        if self.ledger.run("fold/member_alive", {"object_id": object_id}):
            # A list that was complete before had named it.
            self.touched.existence.add(uid)
        self._hold(uid)
        snapshot = self.ledger.row("fold/first_snapshot_without", {"object_id": object_id})
        self._settle_deletion(object_id, uid, dict(snapshot) if snapshot else None)

    def _hold(self, uid: str) -> None:
        """Lists that named a state which the ledger did not hold, and now does, are whole."""
        for snapshot in self.ledger.rows("fold/lists_naming", {"uid": uid}):
            self.ledger.run("fold/drop_members", snapshot)
            self.ledger.run("fold/count_unheld", snapshot)
            self.touched.baselines.add((snapshot["kind"], snapshot["scope"]))

    def _settle_deletion(self, object_id: int, uid: str, snapshot: dict[str, Any] | None) -> None:
        parameters = {
            "object_id": object_id,
            "ended_at": snapshot and snapshot["ended_at"],
            "version": snapshot and snapshot["resource_version"],
        }
        if self.ledger.run("fold/infer_deletion", parameters):
            self.touched.existence.add(uid)

    def _newest_complete(self, kind: str) -> int:
        if self._newest is None:
            rows = self.ledger.rows("fold/newest_snapshots", {})
            self._newest = {row["kind"]: row["newest"] for row in rows}
        return self._newest.get(kind, -1)


def _fresh_snapshot(snapshot_id: str, observed: Observed) -> dict[str, Any]:
    return {
        "id": snapshot_id,
        "kind": observed.plural,
        "scope": "",
        "filter": 0,
        "instance_id": observed.instance_id,
        "began_at": None,
        "ended_at": None,
        "resource_version": None,
        "announced": None,
        "listed": 0,
        "complete": 0,
        "after_version": None,
        "began_position": None,
        "position": None,
        "unheld": 0,
        "compared": 0,
    }


def _named(observed: Observed) -> dict[str, int | None]:
    """The versions of the objects that a list names without telling them again, by uid."""
    unchanged = observed.document.data["unchanged"]
    return {str(uid): observed.document.version(told) for uid, told in unchanged.items()}


def _note_mark(snapshot: dict[str, Any], mark: str, observed: Observed) -> None:
    document, data = observed.document, observed.document.data
    snapshot |= {"kind": str(data["kind"]), "scope": str(data["scope"])}
    snapshot["filter"] = number(data["filter"])
    snapshot["after_version"] = document.version(data.get("after"))
    if mark == "snapshot-begin":
        snapshot["began_at"], snapshot["began_position"] = document.time, observed.position
        return
    version = document.version(data["resource_version"])
    if version is None:
        raise ValueError("a list without a resourceVersion")
    snapshot["ended_at"], snapshot["position"] = document.time, observed.position
    snapshot["resource_version"], snapshot["announced"] = version, number(data["count"])
