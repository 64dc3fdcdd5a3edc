"""Changes of a StatefulSet that made no revision, by generation.

Anything in its spec outside the pod template; a template that was replaced before the controller
looked and so never got a revision; and, at the first generation of an incarnation, how its spec
differs from the last one of the incarnation before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from consumers.templates import Templates
from ledger.canonical import from_bytes, to_bytes
from ledger.spec_fields import changes
from ledger.store import Ledger, Row
from ledger.summary import summarize

TEMPLATE = "template"


@dataclass(slots=True)
class SpecChanges:
    """Writes `spec_changes`."""

    ledger: Ledger
    templates: Templates

    def derive(self, workload_uid: str, *, from_generation: int, from_number: int) -> None:
        """The changes from a generation up are what the states say, and so are the templates
        without a revision behind the last number below `from_number`.
        """
        workload = self.ledger.row("fold/workload", {"uid": workload_uid})
        if workload is None or workload["object_id"] is None:
            return
        key = {"workload_uid": workload_uid, "number": from_number}
        below = self.ledger.row("fold/entry_below", key)
        since = min(from_generation, (below["generation"] or 0) if below else 0)
        states = self.ledger.rows(
            "fold/spec_generations", {"object_id": workload["object_id"], "since": since}
        )
        window = {"workload_uid": workload_uid, "generation": from_generation, "since": since}
        self.ledger.run("fold/clear_spec_changes", window)
        rows = [*self._first(workload, states), *self._later(states)]
        for row in rows:
            if row["field"] == TEMPLATE or row["generation"] >= from_generation:
                self.ledger.put("spec_changes", [{"workload_uid": workload_uid} | row])

    def _first(self, workload: Row, states: list[Row]) -> Iterator[dict[str, Any]]:
        """How an incarnation differs from the one before."""
        if not states or states[0]["generation"] != 1 or workload["predecessor"] is None:
            return
        last = self.ledger.row("fold/last_spec", {"uid": workload["predecessor"]})
        if last is not None:
            yield from self._fields(last, states[0], None)

    def _later(self, states: list[Row]) -> Iterator[dict[str, Any]]:
        for before, after in pairwise(states):
            yield from self._fields(before, after, before["generation"])
            if after["template_id"] != before["template_id"] and after["is_past"]:
                yield self._template(before, after)

    def _fields(
        self, before: Row, after: Row, after_generation: int | None
    ) -> Iterator[dict[str, Any]]:
        if before["spec"] == after["spec"]:
            return
        old, new = (from_bytes(row["spec"].encode()) for row in (before, after))
        for each in changes(old, new):
            yield _row(after, after_generation) | {
                "field": each.field,
                "old": each.old,
                "new": each.new,
                "summary": each.summary(),
            }

    def _template(self, before: Row, after: Row) -> dict[str, Any]:
        told = summarize(self.templates.changes(before["template_id"], after["template_id"]))
        return _row(after, before["generation"]) | {
            "field": TEMPLATE,
            "old": to_bytes(before["digest"]).decode(),
            "new": to_bytes(after["digest"]).decode(),
            "summary": f"never rolled out: {told}",
        }


def _row(state: Row, after_generation: int | None) -> dict[str, Any]:
    return {
        "generation": state["generation"],
        "after_generation": after_generation,
        "observed_at": state["observed_at"],
        "position": state["position"],
    }
