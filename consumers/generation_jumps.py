"""A StatefulSet's generation counts its spec writes one by one; a step over one is a write that
nobody saw.

Its content is lost, but that it happened is not: a gap of cause `generation-jump`, with how many
writes are missing at least. The gaps are a function of the set of states: one that arrives late
takes its gap away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from consumers.projection import Observed
from ledger.canonical import to_bytes
from ledger.model import STATEFUL_SETS, ObjectRef, epoch_of
from ledger.store import Ledger, Row

CAUSE = "generation-jump"
CACHED_SETS = 10_000


@dataclass(slots=True)
class GenerationJumps:
    """Keeps the gaps of cause `generation-jump`."""

    ledger: Ledger
    _newest: dict[int, tuple[int, int]] = field(default_factory=dict)
    _unsure: dict[tuple[int, int], ObjectRef] = field(default_factory=dict)

    def apply(self, observed: Observed) -> None:
        """Look at a set's state; one that follows the newest in step needs no second look."""
        if observed.plural != STATEFUL_SETS.plural or not observed.is_news:
            return
        document = observed.document
        version, generation = document.version_number, document.objectgeneration
        newest = self._newest.get(observed.object_id)
        if newest is None or version < newest[0] or not 0 <= generation - newest[1] <= 1:
            self._unsure[observed.object_id, version] = document.ref
        if newest is None or version > newest[0]:
            self._newest[observed.object_id] = (version, generation)

    def settle(self) -> None:
        """Write the gaps on both sides of each state that was not in step."""
        for (object_id, version), ref in self._unsure.items():
            key = {"object_id": object_id, "version": version}
            around = self.ledger.rows("fold/generations_around", key)
            for before, after in pairwise(around):
                self._step(ref, before, after)
        self._unsure.clear()
        if len(self._newest) > CACHED_SETS:
            self._newest.clear()

    def forget(self) -> None:
        """Drop what is cached: the transaction was rolled back."""
        self._newest.clear()
        self._unsure.clear()

    def _step(self, ref: ObjectRef, before: Row, after: Row) -> None:
        missing = after["generation"] - before["generation"] - 1
        gap_id = f"generation/{ref.uid}/{after['version']}"
        if missing > 0 and epoch_of(before["version"]) == epoch_of(after["version"]):
            self.ledger.put("gaps", [_gap(gap_id, ref, before, after)])
        else:
            self.ledger.run("fold/drop_gap", {"id": gap_id})


def _gap(gap_id: str, ref: ObjectRef, before: Row, after: Row) -> dict[str, Any]:
    detail = {
        "name": ref.name,
        "uid": ref.uid,
        "from": before["generation"],
        "to": after["generation"],
        "missed": after["generation"] - before["generation"] - 1,
    }
    seen_at, told_at = sorted((before["observed_at"], after["observed_at"]))
    return {
        "id": gap_id,
        "kind": STATEFUL_SETS.plural,
        "scope": ref.namespace,
        "cause": CAUSE,
        "last_seen_at": seen_at,
        "opened_at": told_at,
        "closed_at": told_at,
        "last_version": before["version"],
        "next_version": after["version"],
        "instance_id": after["instance_id"],
        "detail": to_bytes(detail).decode(),
        "position": after["position"],
    }
