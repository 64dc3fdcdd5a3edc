"""What the API server refused to the controller, as its Events tell: quotas, webhooks, policies."""

from __future__ import annotations

from dataclasses import dataclass

from consumers.projection import Observed, Touched
from ledger.model import EVENTS
from ledger.rollout.refusals import refusal
from ledger.store import Ledger


@dataclass(slots=True)
class Refusals:
    """Writes `refusals`: one row an Event, at its newest state."""

    ledger: Ledger
    touched: Touched

    def apply(self, observed: Observed) -> None:
        """Note an Event that tells of a pod or claim that could not be made."""
        document = observed.document
        if observed.plural != EVENTS.plural or not observed.is_news or document.data is None:
            return
        told = refusal(document.data)
        if told is None or document.version_number <= self._version(observed.object_id):
            return
        row = {
            "object_id": observed.object_id,
            "resource_version": document.version_number,
            "workload_uid": told.set_uid,
            "pod": told.pod,
            "reason": told.reason,
            "message": told.message,
            "times": told.count,
            "first_at": told.first_at,
            "last_at": told.last_at,
            "observed_at": document.time,
            "position": observed.position,
        }
        self.ledger.put("refusals", [row])
        self.touched.at(told.set_uid, min(document.time, told.first_at or document.time))

    def settle(self) -> None:
        """Nothing is derived here: rollouts read the rows."""

    def forget(self) -> None:
        """Nothing is cached."""

    def _version(self, object_id: int) -> int:
        row = self.ledger.row("fold/refusal", {"object_id": object_id})
        return row["resource_version"] if row else -1
