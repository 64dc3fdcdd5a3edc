"""The projection of StatefulSets and ControllerRevisions onto the revision ledger.

Here facts are noted, a row for each state in which one of them changed; derivation.py recomputes
the derived rows of the workloads a batch touched. Facts are kept by resourceVersion, so a late
state finds its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any

from consumers.derivation import Derivation
from consumers.facts import (
    RevisionFacts,
    SetFacts,
    revision_facts,
    set_facts,
    spec_managers,
    spec_of,
    template_of,
)
from consumers.fates import Fates
from consumers.projection import Observed, Touched
from consumers.spec_changes import SpecChanges
from consumers.specs import Specs
from consumers.states import States
from consumers.templates import Templates
from consumers.workloads import Workloads
from ledger.envelope import Document
from ledger.model import CONTROLLER_REVISIONS, STATEFUL_SETS
from ledger.rollout.sets import SetStatus, set_status
from ledger.store import Ledger, Row

CACHED_SETS = 10_000
EVERYTHING = -1
"""The window that starts below every number."""
NEVER = 2**62
"""The generation above every other."""


@dataclass(slots=True)
class _Newest:
    version: int
    facts: SetFacts
    status: SetStatus
    labels: Any
    template_id: int
    spec_id: int


@dataclass(slots=True)
class Revisions:
    """Keeps `set_states`, `revision_states`, `templates` and `specs`; leaves `workloads` and
    `revisions` derived from them.
    """

    ledger: Ledger
    touched: Touched
    _templates: Templates = field(init=False)
    _specs: Specs = field(init=False)
    _workloads: Workloads = field(init=False)
    _set_states: States = field(init=False)
    _revision_states: States = field(init=False)
    _newest: dict[int, _Newest] = field(default_factory=dict)
    _windows: dict[str, int] = field(default_factory=dict)
    _fates: dict[str, int] = field(default_factory=dict)
    _generations: dict[str, int] = field(default_factory=dict)
    """The lowest generation of which something is news, by the workload's uid."""

    def __post_init__(self) -> None:
        self._templates = Templates(self.ledger)
        self._specs = Specs(self.ledger)
        self._workloads = Workloads(self.ledger)
        self._set_states = States(self.ledger, "set", self._is_change)
        self._revision_states = States(self.ledger, "revision", _is_other_revision)

    def apply(self, observed: Observed) -> None:
        """Note the facts of a StatefulSet's or ControllerRevision's state."""
        document, plural = observed.document, observed.plural
        if plural not in _OURS:
            return
        if observed.fact == "deleted":
            self.touched.existence.add(document.objectuid)
        if observed.disposition == "duplicate":
            self._see_again(observed)
        if not observed.is_news or document.data is None:
            return
        if plural == STATEFUL_SETS.plural:
            status = set_status(document.data)
            facts = set_facts(
                document.data,
                status,
                trusts_stamp=document.stamped,
                annotation_keys=document.annotationkeys,
            )
            self._note_set(observed, facts, status)
        elif plural == CONTROLLER_REVISIONS.plural:
            self._note_revision(observed, revision_facts(document.data))

    def settle(self) -> None:
        """Recompute the rows of the workloads that the batch touched."""
        self._set_states.settle()
        self._revision_states.settle()
        for kind, scope in self.touched.baselines:
            if kind == CONTROLLER_REVISIONS.plural:
                for row in self.ledger.rows("fold/workloads_in_scope", {"scope": scope}):
                    self._widen(row["uid"], EVERYTHING)
        for uid in self.touched.existence:
            self._existence_changed(uid)
        for digest in self.touched.sealed:
            for row in self.ledger.rows("fold/revisions_of_template", {"digest": digest}):
                self._fates[row["revision_uid"]] = EVERYTHING
        fates = Fates(self.ledger)
        for uid, seen_at in self.touched.moments.items():
            self._fates |= dict.fromkeys(fates.decided_by(uid, seen_at), EVERYTHING)
        self._fates |= dict.fromkeys(self.touched.pruned, EVERYTHING)
        derivation = Derivation(self.ledger, self._templates)
        for uid, window in self._windows.items():
            self._workloads.settle(uid)
            derivation.derive(uid, from_number=window)
            self.touched.numbers[uid] = window
        self._settle_specs()
        for uid, number in self._fates.items():
            derivation.refresh_fates(uid, number=number)
        self._windows.clear()
        self._fates.clear()
        if len(self._newest) > CACHED_SETS:
            self._newest.clear()

    def _settle_specs(self) -> None:
        spec_changes = SpecChanges(self.ledger, self._templates)
        for uid, window in self._windows.items():
            generation = self._generations.get(uid, NEVER)
            spec_changes.derive(uid, from_generation=generation, from_number=window)
            for later in self.ledger.rows("fold/successors", {"uid": uid}):
                spec_changes.derive(later["uid"], from_generation=1, from_number=EVERYTHING)
        self._generations.clear()

    def forget(self) -> None:
        """Drop what is cached: the transaction was rolled back."""
        self._generations.clear()
        self._templates.forget()
        self._specs.forget()
        self._set_states.forget()
        self._revision_states.forget()
        self._newest.clear()
        self._windows.clear()
        self._fates.clear()

    def _note_set(self, observed: Observed, facts: SetFacts, status: SetStatus) -> None:
        document, object_id = observed.document, observed.object_id
        version, newest = document.version_number, self._newest.get(object_id)
        labels = document.data["metadata"].get("labels")
        if newest and version > newest.version and newest.facts == facts:
            newest.version = version
            ids = newest.template_id, newest.spec_id
            self._set_states.leave_out(observed, partial(_state_row, observed, facts, *ids))
            if (newest.status, newest.labels) != (status, labels):
                self._workloads.see(document, facts, status)
                newest.status, newest.labels = status, labels
            return
        template_id, spec_id = self._content(document, object_id, facts)
        self._note_state(observed, facts, template_id, spec_id)
        # One that comes late after a restart is not the newest.
        if observed.disposition != "late" and (newest is None or version > newest.version):
            self._newest[object_id] = _Newest(version, facts, status, labels, template_id, spec_id)
        if observed.disposition != "late":
            self._workloads.see(document, facts, status)
        self._widen(document.objectuid, self._highest(document.objectuid))

    def _note_state(
        self, observed: Observed, facts: SetFacts, template_id: int, spec_id: int
    ) -> None:
        uid = observed.document.objectuid
        noted = self._set_states.note(observed, _state_row(observed, facts, template_id, spec_id))
        if not noted.is_change:
            return
        before = noted.before
        if before is None or observed.disposition == "late" or _tells_of_write(before, facts):
            self._touch_write(observed, facts.generation)
        self.touched.at(uid, observed.document.time)
        self._touch_generation(uid, min(facts.generation, facts.observed_generation or 1))
        if before is not None and before["history_limit"] != facts.history_limit:
            self._widen(uid, EVERYTHING)

    def _see_again(self, observed: Observed) -> None:
        """A second record of a state may say that it was seen earlier."""
        document = observed.document
        if observed.plural == STATEFUL_SETS.plural:
            if self._set_states.see_again(observed):
                self.touched.at(document.objectuid, document.time)
                self._touch_write(observed, document.objectgeneration)
                self._touch_generation(document.objectuid, document.objectgeneration or 1)
        elif self._revision_states.see_again(observed):
            facts = revision_facts(document.data)
            if facts.owner_uid:
                self.touched.at(facts.owner_uid, document.time)
                self._touch_number(document, facts)

    def _is_change(self, before: Row, row: Mapping[str, Any]) -> bool:
        if any(before[name] != row[name] for name in _PLAIN_FACTS):
            return True
        if not row["settled"] or before["settled"]:
            return False
        # A pod that flaps for months would leave a row at each turn; only a run's first settling
        # matters.
        key = {name: row[name] for name in ("object_id", "generation", "update_revision")}
        return not self.ledger.rows("fold/settled_already", key)

    def _note_revision(self, observed: Observed, facts: RevisionFacts) -> None:
        document = observed.document
        row = {
            "number": facts.number,
            "owner_uid": facts.owner_uid,
            "template_id": self._revision_template(document, observed.object_id),
            "change_cause": facts.change_cause,
        }
        if not self._revision_states.note(observed, row).is_change:
            return
        self._fates[document.objectuid] = facts.number
        if facts.owner_uid:
            self._workloads.expect(
                facts.owner_uid, document.ref.namespace, facts.owner_name, document.time
            )
            self._touch_number(document, facts)
            # One told late was there when another was deleted.
            key = {"owner_uid": facts.owner_uid, "version": document.version_number}
            for later in self.ledger.rows("fold/pruned_after", key):
                self._fates[later["uid"]] = EVERYTHING

    def _content(self, document: Document, object_id: int, facts: SetFacts) -> tuple[int, int]:
        """The ids of its template and of the rest of its spec. Neither changes without its
        generation, so their digests are worked out once for each.
        """
        newest = self._newest.get(object_id)
        if newest and newest.facts.generation == facts.generation:
            return newest.template_id, newest.spec_id
        key = {"object_id": object_id, "generation": facts.generation}
        row = self.ledger.row("fold/generation_template", key)
        if row:
            return row["template_id"], row["spec_id"]
        template_id = self._templates.id_of(template_of(document.data))
        return template_id, self._specs.id_of(spec_of(document.data))

    def _revision_template(self, document: Document, object_id: int) -> int:
        # A ControllerRevision's data never changes (apps/v1 types.go); after a change of redaction
        # key the same data would have another digest, so the first one stands.
        row = self.ledger.row("fold/revision_template", {"object_id": object_id})
        return row["template_id"] if row else self._templates.id_of(template_of(document.data))

    def _existence_changed(self, uid: str) -> None:
        if self.ledger.row("fold/workload", {"uid": uid}):
            self._widen(uid, EVERYTHING)
            return
        # Why a revision was pruned depends on which others were still there.
        for later in self.ledger.rows("fold/pruned_since", {"uid": uid}):
            self._fates[later["uid"]] = EVERYTHING
        self._fates[uid] = EVERYTHING

    def _touch_write(self, observed: Observed, generation: int) -> None:
        # The next write's "before" may be this state.
        key = {"object_id": observed.object_id, "generation": generation}
        above = self.ledger.row("fold/generation_above", key)
        self.touched.writes.add((observed.object_id, generation))
        if above is not None and above["generation"] is not None:
            self.touched.writes.add((observed.object_id, above["generation"]))

    def _touch_number(self, document: Document, facts: RevisionFacts) -> None:
        # What came after it may stand below it, where a number was given again.
        key = {"workload_uid": facts.owner_uid, "number": facts.number}
        row = self.ledger.rows("fold/number_below", key | {"version": document.version_number})[0]
        self._widen(facts.owner_uid, row["number"])

    def _touch_generation(self, uid: str, generation: int) -> None:
        self._generations[uid] = min(generation, self._generations.get(uid, generation))
        key = {"workload_uid": uid, "generation": generation}
        row = self.ledger.row("fold/entry_at_generation", key)
        self._widen(uid, row["number"] if row else EVERYTHING)

    def _highest(self, uid: str) -> int:
        row = self.ledger.row("fold/highest_number", {"workload_uid": uid})
        return EVERYTHING if row is None or row["highest"] is None else int(row["highest"])

    def _widen(self, uid: str, from_number: int) -> None:
        self._windows[uid] = min(from_number, self._windows.get(uid, from_number))


_PLAIN_FACTS = (
    "template_id",
    *(part.name for part in fields(SetFacts) if part.name != "settled"),
)
_OURS = (STATEFUL_SETS.plural, CONTROLLER_REVISIONS.plural)


def _tells_of_write(before: Row, facts: SetFacts) -> bool:
    """Whether a state is the first of a spec write, or says something else about the last one."""
    return bool(before["generation"] != facts.generation or before["said"] != facts.said)


def _is_other_revision(before: Row, row: Mapping[str, Any]) -> bool:
    return any(before[name] != row[name] for name in ("number", "owner_uid", "change_cause"))


def _state_row(
    observed: Observed, facts: SetFacts, template_id: int, spec_id: int
) -> dict[str, Any]:
    raw_facts = asdict(facts)
    flags = {name: int(raw_facts[name]) for name in ("settled", "terminating")}
    content = {
        "object_id": observed.object_id,
        "template_id": template_id,
        "spec_id": spec_id,
        "managed_fields": spec_managers(observed.document.data),
    }
    return raw_facts | flags | content
