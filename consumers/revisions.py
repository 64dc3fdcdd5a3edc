"""The projection of StatefulSets and ControllerRevisions onto the revision ledger.

Here facts are noted, a row for each state in which one of them changed; derivation.py recomputes
the derived rows of the workloads a batch touched. Facts are kept by resourceVersion, so a late
state finds its place.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from consumers.derivation import Derivation
from consumers.facts import (
    RevisionFacts,
    SetFacts,
    revision_facts,
    set_facts,
    spec_managers,
    template_of,
)
from consumers.projection import Observed, Touched
from consumers.templates import Templates
from consumers.workloads import Workloads
from ledger.envelope import Document
from ledger.model import CONTROLLER_REVISIONS, STATEFUL_SETS
from ledger.store import Ledger, Row

CACHED_SETS = 10_000
EVERYTHING = -1
"""The window that starts below every number."""


@dataclass(slots=True)
class _Newest:
    version: int
    facts: SetFacts
    template_id: int
    labels: Any


@dataclass(slots=True)
class Revisions:
    """Keeps `set_states`, `revision_states` and `templates`; leaves `workloads` and `revisions`
    derived from them.
    """

    ledger: Ledger
    touched: Touched
    _templates: Templates = field(init=False)
    _workloads: Workloads = field(init=False)
    _newest: dict[int, _Newest] = field(default_factory=dict)
    _windows: dict[str, int] = field(default_factory=dict)
    _fates: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._templates = Templates(self.ledger)
        self._workloads = Workloads(self.ledger)

    def apply(self, observed: Observed) -> None:
        """Note the facts of a StatefulSet's or ControllerRevision's state."""
        document, plural = observed.document, observed.plural
        if plural not in _OURS:
            return
        if observed.fact == "deleted":
            self.touched.existence.add(document.objectuid)
        if not observed.is_news or document.data is None:
            return
        if plural == STATEFUL_SETS.plural:
            self._note_set(observed, set_facts(document.data))
        elif plural == CONTROLLER_REVISIONS.plural:
            self._note_revision(observed, revision_facts(document.data))

    def settle(self) -> None:
        """Recompute the rows of the workloads that the batch touched."""
        for kind, scope in self.touched.baselines:
            if kind == CONTROLLER_REVISIONS.plural:
                for row in self.ledger.rows("fold/workloads_in_scope", {"scope": scope}):
                    self._widen(row["uid"], EVERYTHING)
        for uid in self.touched.existence:
            self._existence_changed(uid)
        derivation = Derivation(self.ledger, self._templates)
        for uid, window in self._windows.items():
            self._workloads.settle(uid)
            derivation.derive(uid, from_number=window)
        for uid, number in self._fates.items():
            derivation.refresh_fates(uid, number=number)
        self._windows.clear()
        self._fates.clear()
        if len(self._newest) > CACHED_SETS:
            self._newest.clear()

    def forget(self) -> None:
        """Drop what is cached: the transaction was rolled back."""
        self._templates.forget()
        self._newest.clear()
        self._windows.clear()
        self._fates.clear()

    def _note_set(self, observed: Observed, facts: SetFacts) -> None:
        document, object_id = observed.document, observed.object_id
        version, newest = document.version_number, self._newest.get(object_id)
        labels = document.data["metadata"].get("labels")
        if newest and version > newest.version and (newest.facts, newest.labels) == (facts, labels):
            newest.version = version
            return
        template_id = self._set_template(document, object_id, facts)
        self._note_state(observed, facts, template_id)
        if newest is None or version > newest.version:
            self._newest[object_id] = _Newest(version, facts, template_id, labels)
        if observed.disposition != "late":
            self._workloads.see(document, facts)
        self._widen(document.objectuid, self._highest(document.objectuid))

    def _note_state(self, observed: Observed, facts: SetFacts, template_id: int) -> None:
        object_id, uid = observed.object_id, observed.document.objectuid
        key = {"object_id": object_id, "version": observed.document.version_number}
        before = self.ledger.row("fold/set_state_before", key)
        if before is not None and not self._is_change(before, facts, template_id):
            return
        self.ledger.put("set_states", [_state_row(observed, facts, template_id)])
        self._touch_generation(uid, min(facts.generation, facts.observed_generation or 1))
        if before is not None and before["history_limit"] != facts.history_limit:
            self._widen(uid, EVERYTHING)

    def _is_change(self, before: Row, facts: SetFacts, template_id: int) -> bool:
        if before["template_id"] != template_id or any(
            before[name] != getattr(facts, name) for name in _PLAIN_FACTS
        ):
            return True
        if not facts.settled or before["settled"]:
            return False
        # A pod that flaps for months would leave a row at each turn; only a run's first settling
        # matters.
        key = {
            "object_id": before["object_id"],
            "generation": facts.generation,
            "update_revision": facts.update_revision,
        }
        return not self.ledger.rows("fold/settled_already", key)

    def _note_revision(self, observed: Observed, facts: RevisionFacts) -> None:
        document, object_id = observed.document, observed.object_id
        before = self.ledger.row(
            "fold/revision_state_before",
            {"object_id": object_id, "version": document.version_number},
        )
        row = {
            "object_id": object_id,
            "resource_version": document.version_number,
            "position": observed.position,
            "observed_at": document.time,
            "number": facts.number,
            "owner_uid": facts.owner_uid,
            "template_id": self._revision_template(document, object_id),
            "change_cause": facts.change_cause,
        }
        watched = ("number", "owner_uid", "change_cause")
        if before is not None and all(before[name] == row[name] for name in watched):
            return
        self.ledger.put("revision_states", [row])
        self._fates[document.objectuid] = facts.number
        if facts.owner_uid:
            self._workloads.expect(
                facts.owner_uid, document.ref.namespace, facts.owner_name, document.time
            )
            self._touch_number(facts.owner_uid, facts.number)

    def _set_template(self, document: Document, object_id: int, facts: SetFacts) -> int:
        # A template never changes without its generation, so its digest is worked out once for
        # each.
        newest = self._newest.get(object_id)
        if newest and newest.facts.generation == facts.generation:
            return newest.template_id
        key = {"object_id": object_id, "generation": facts.generation}
        row = self.ledger.row("fold/generation_template", key)
        return row["template_id"] if row else self._templates.id_of(template_of(document.data))

    def _revision_template(self, document: Document, object_id: int) -> int:
        # A ControllerRevision's data never changes (apps/v1 types.go); after a change of redaction
        # key the same data would have another digest, so the first one stands.
        row = self.ledger.row("fold/revision_template", {"object_id": object_id})
        return row["template_id"] if row else self._templates.id_of(template_of(document.data))

    def _existence_changed(self, uid: str) -> None:
        if self.ledger.row("fold/workload", {"uid": uid}):
            self._widen(uid, EVERYTHING)
        else:
            self._fates.setdefault(uid, EVERYTHING)

    def _touch_number(self, uid: str, number: int) -> None:
        row = self.ledger.row("fold/number_below", {"workload_uid": uid, "number": number})
        below = row["number"] if row and row["number"] is not None else EVERYTHING
        self._widen(uid, below)

    def _touch_generation(self, uid: str, generation: int) -> None:
        key = {"workload_uid": uid, "generation": generation}
        row = self.ledger.row("fold/entry_at_generation", key)
        self._widen(uid, row["number"] if row else EVERYTHING)

    def _highest(self, uid: str) -> int:
        row = self.ledger.row("fold/highest_number", {"workload_uid": uid})
        return EVERYTHING if row is None or row["highest"] is None else int(row["highest"])

    def _widen(self, uid: str, from_number: int) -> None:
        self._windows[uid] = min(from_number, self._windows.get(uid, from_number))


_PLAIN_FACTS = tuple(part.name for part in fields(SetFacts) if part.name != "settled")
_OURS = (STATEFUL_SETS.plural, CONTROLLER_REVISIONS.plural)


def _state_row(observed: Observed, facts: SetFacts, template_id: int) -> dict[str, Any]:
    raw_facts = asdict(facts)
    flags = {name: int(raw_facts[name]) for name in ("settled", "terminating")}
    place = {
        "object_id": observed.object_id,
        "resource_version": observed.document.version_number,
        "position": observed.position,
        "observed_at": observed.document.time,
        "template_id": template_id,
        "managed_fields": spec_managers(observed.document.data),
    }
    return raw_facts | flags | place
