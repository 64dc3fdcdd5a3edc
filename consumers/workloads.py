"""One row for each incarnation of a StatefulSet (one uid), kept at its newest state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consumers.facts import SetFacts
from ledger.canonical import to_bytes
from ledger.envelope import Document
from ledger.rollout.raw import mapping, server_time
from ledger.rollout.sets import SetStatus
from ledger.store import Ledger

TEAM_LABELS = ("app.kubernetes.io/part-of", "team", "owner")
"""Labels that name whose workload it is, the first one present counts."""


@dataclass(slots=True)
class Workloads:
    """The `workloads` table."""

    ledger: Ledger

    def see(self, document: Document, facts: SetFacts, status: SetStatus) -> None:
        """The newest state of an incarnation."""
        metadata, spec = document.data["metadata"], document.data["spec"]
        labels = metadata.get("labels") or {}
        self._put(
            document.ref.uid,
            document.ref.namespace,
            document.ref.name,
            document.time,
            {
                "created_at": server_time(metadata.get("creationTimestamp")),
                "generation": facts.generation,
                "observed_generation": facts.observed_generation,
                "replicas": facts.replicas,
                "strategy": facts.strategy,
                "update_partition": facts.update_partition,
                "history_limit": facts.history_limit,
                "current_revision": facts.current_revision,
                "update_revision": facts.update_revision,
                "settled": int(facts.settled),
                "labels": to_bytes(labels).decode(),
                "selector": to_bytes(spec.get("selector") or {}).decode(),
                "team": next((labels[name] for name in TEAM_LABELS if name in labels), None),
                # It rises together with the update revision, which is a fact.
                "collision_count": _collisions(document),
            }
            | _status_columns(status),
        )

    def expect(self, uid: str, namespace: str, name: str, seen_at: str) -> None:
        """An incarnation that a revision names as its owner, known by name only until its own state
        is seen.
        """
        if not self.ledger.row("fold/workload", {"uid": uid}):
            self._put(uid, namespace, name, seen_at, _UNKNOWN)

    def settle(self, uid: str) -> None:
        """Its deletion, and the chain of incarnations of its name."""
        row = self.ledger.row("fold/workload", {"uid": uid})
        if row is None:
            return
        self.ledger.run(
            "fold/settle_workload",
            {
                "uid": uid,
                "deleted_at": row["object_deleted_at"],
                "deleted_after": row["object_deleted_after"],
                "deleted_how": row["object_deleted_how"],
            },
        )
        chain = self.ledger.rows(
            "fold/incarnations", {"namespace": row["namespace"], "name": row["name"]}
        )
        for earlier, later in zip([None, *chain], chain, strict=False):
            wanted = earlier["uid"] if earlier else None
            if later["predecessor"] != wanted:
                self.ledger.run(
                    "fold/set_predecessor", {"uid": later["uid"], "predecessor": wanted}
                )

    def _put(
        self, uid: str, namespace: str, name: str, seen_at: str, columns: Mapping[str, Any]
    ) -> None:
        known = self.ledger.row("fold/workload", {"uid": uid})
        first_seen_at = known["first_seen_at"] if known else seen_at
        self.ledger.put(
            "workloads",
            [
                {
                    "uid": uid,
                    "namespace": namespace,
                    "name": name,
                    "label": f"{namespace}/{name}",
                    "first_seen_at": min(first_seen_at, seen_at),
                    **columns,
                }
            ],
        )


def _collisions(document: Document) -> int:
    count = mapping(document.data.get("status")).get("collisionCount")
    return count if isinstance(count, int) and 0 < count < 2**31 else 0


def _status_columns(status: SetStatus) -> dict[str, Any]:
    return {
        "has_rolling_update": int(status.has_rolling_update),
        "max_unavailable": status.max_unavailable,
        "pod_management": status.pod_management,
        "ordinals_start": status.ordinals_start,
        "min_ready_seconds": status.min_ready_seconds,
        "when_deleted": status.when_deleted,
        "when_scaled": status.when_scaled,
        "pods": status.pods,
        "ready_pods": status.ready_pods,
        "available_pods": status.available_pods,
        "current_pods": status.current_pods,
        "updated_pods": status.updated_pods,
        "terminating": int(status.terminating),
    }


_UNKNOWN: Mapping[str, Any] = {
    "generation": 0,
    "observed_generation": 0,
    "replicas": 0,
    "strategy": "",
    "update_partition": 0,
    "history_limit": 0,
    "current_revision": "",
    "update_revision": "",
    "settled": 0,
    "labels": "{}",
    "selector": "{}",
}
