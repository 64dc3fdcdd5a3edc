"""Which pod used which claim, from when to when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.store import Ledger


@dataclass(slots=True)
class Mounts:
    """The `mounts` table."""

    ledger: Ledger

    def derive(self, object_id: int) -> None:
        """The claims that a pod used, anew."""
        run = self.ledger.row("fold/mount_pod", {"object_id": object_id})
        if run is None:
            return
        self.ledger.run("fold/mount_clear", {"pod_uid": run["uid"]})
        by_volume: dict[str, list[Mapping[str, Any]]] = {}
        for row in self.ledger.rows("fold/mount_claims", {"object_id": object_id}):
            by_volume.setdefault(row["volume"], []).append(row)
        for claims in by_volume.values():
            claim = used(run, claims)
            if claim is not None:
                self.ledger.put("mounts", [mount(run, claim)])


def used(run: Mapping[str, Any], claims: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Of the claims that ever had the name, the one that was there for the pod: the youngest that
    existed when the pod was given its node, or, while it waits for one, that exists with it.

    A claim cannot go while a scheduled pod uses it (the finalizer kubernetes.io/pvc-protection), so
    a claim made later is another pod's.
    """
    begin = began_at(run)
    until_at = begin or run["deleted_at"]
    since_at = begin or run["created_at"]
    found = [
        claim
        for claim in claims
        if (until_at is None or (claim["claim_created_at"] or "") <= until_at)
        and (
            since_at is None
            or claim["claim_deleted_at"] is None
            or claim["claim_deleted_at"] >= since_at
        )
    ]
    return max(
        found, key=lambda claim: (claim["claim_created_at"] or "", claim["claim_uid"]), default=None
    )


def mount(run: Mapping[str, Any], claim: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a pod and the claim it used; `from_at` is None while it waits for a node."""
    ends = [
        (row_at, after)
        for row_at, after in (
            (run["deleted_at"], run["deleted_after"]),
            (claim["claim_deleted_at"], claim["claim_deleted_after"]),
        )
        if row_at is not None
    ]
    to_at, to_after = min(ends, default=(None, None), key=lambda end: str(end[0]))
    return {
        "pod_uid": run["uid"],
        "claim_uid": claim["claim_uid"],
        "volume": claim["volume"],
        "namespace": run["namespace"],
        "claim": claim["claim"],
        "pod": run["name"],
        "workload_uid": run["workload_uid"],
        "ordinal": run["ordinal"],
        "revision": run["revision"],
        "from_at": began_at(run),
        "to_at": to_at,
        "to_after": to_after,
    }


def began_at(run: Mapping[str, Any]) -> str | None:
    """When a pod was given its node, which is when its volumes are its own; None for never."""
    if run["scheduled_at"] is not None:
        return str(run["scheduled_at"])
    return (run["started_at"] or run["created_at"]) if run["node"] else None
