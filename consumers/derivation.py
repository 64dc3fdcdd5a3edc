"""From facts to the revision ledger: the derived rows of one incarnation, or of its upper end.

Revision entries stand in the order they were born, which is that of their numbers unless somebody
deleted the newest, and each depends only on what came before it, so a window from any number upward
can be derived afresh given the entry beneath it. In-order facts touch the last two entries; a late
one widens the window down to its own place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from consumers.causes import cause_of
from consumers.fates import Fates
from consumers.generations import (
    Entry,
    Placement,
    Run,
    SetState,
    first_states,
    place,
    place_inherited,
    runs_of,
)
from consumers.pruning import Fate
from consumers.templates import Templates
from consumers.triggers import Circumstances, Trigger, Write, intent_of, trigger_of
from ledger.store import Ledger, Row
from ledger.summary import summarize

UNSEEN_LIMIT = 1_000
"""So many missing numbers get a row each; below them one row stands for all, so that a forged
number cannot fill a disk.
"""


@dataclass(slots=True)
class _Window:
    """What one derivation works on: the incarnation, its entries from a number up, and the states
    they may refer to.
    """

    workload: Row
    entries: list[Entry]
    below: Row | None
    states: list[SetState]
    runs: list[Run]
    specs: dict[int, SetState]
    baseline: int | None


@dataclass(slots=True)
class Derivation:
    """Writes `revisions`."""

    ledger: Ledger
    templates: Templates

    def derive(self, workload_uid: str, *, from_number: int) -> None:
        """The rows numbered `from_number` and above are what the facts say."""
        workload = self.ledger.row("fold/workload", {"uid": workload_uid})
        if workload is None:
            return
        window = self._window(workload, from_number)
        key = {"workload_uid": workload_uid, "from_number": from_number}
        self.ledger.run("fold/clear_revisions", key)
        self.ledger.put("revisions", self._rows(window))
        self.ledger.put("revisions", _unseen(window))

    def refresh_fates(self, revision_uid: str, *, number: int) -> None:
        """The rows of a ControllerRevision say whether it is still there, whatever their number."""
        fates = Fates(self.ledger)
        key = {"revision_uid": revision_uid, "number": number}
        for row in self.ledger.rows("fold/live_rows_of", key):
            fate = fates.of(row["workload_uid"], revision_uid, row["number"])
            key = {name: row[name] for name in ("workload_uid", "revision_uid", "number")}
            self.ledger.run("fold/set_fate", key | self._fate_columns(fate, row["template_id"]))

    def _window(self, workload: Row, from_number: int) -> _Window:
        uid = workload["uid"]
        key = {"workload_uid": uid, "from_number": from_number}
        entries = [_entry(row) for row in self.ledger.rows("fold/entries", key)]
        below = self.ledger.row("fold/entry_below", {"workload_uid": uid, "number": from_number})
        since = (below["generation"] or 1) - 1 if below else 0
        key = {"object_id": workload["object_id"], "since_generation": since}
        states = [_state(row) for row in self.ledger.rows("fold/set_states", key)]
        baseline = self.ledger.row("fold/baseline", {"namespace": workload["namespace"]})
        return _Window(
            workload,
            entries,
            below,
            states,
            runs_of(states),
            first_states(states),
            baseline["version"] if baseline else None,
        )

    def _rows(self, window: _Window) -> Iterator[dict[str, Any]]:
        placement = _placement_below(window)
        fates = Fates(self.ledger)
        numbers = Counter(entry.number for entry in window.entries)
        inherited = [entry for entry in window.entries if _is_inherited(entry, window)]
        newest = max(inherited, key=lambda entry: entry.number, default=None)
        for entry in window.entries:
            if entry in inherited:
                placed = place_inherited(entry, is_newest=entry is newest, runs=window.runs)
            else:
                placed = place(entry, after=placement, runs=window.runs, specs=window.specs)
            placement = Placement(
                placed.generation or placement.generation, max(placed.run, placement.run)
            )
            known = self._circumstances(window, entry, placed)
            trigger = trigger_of(entry, placed, known)
            fate = fates.of(window.workload["uid"], entry.revision_uid, entry.number)
            yield (
                self._identity(entry, is_shared=numbers[entry.number] > 1)
                | {"workload_uid": window.workload["uid"]}
                | self._story(entry, placed, trigger, known, window)
                | self._fate_columns(fate, entry.template_id)
            )

    def _circumstances(self, window: _Window, entry: Entry, placed: Placement) -> Circumstances:
        key = {
            "workload_uid": window.workload["uid"],
            "object_id": entry.object_id,
            "template_id": entry.template_id,
            "number": entry.number,
            "version": entry.version,
        }
        before = self.ledger.rows("fold/before_entry", key)[0]
        changes = None
        if before["previous_template_id"] is not None:
            changes = self.templates.changes(before["previous_template_id"], entry.template_id)
        return Circumstances(
            is_adopted=_is_adopted(entry),
            is_baseline=_is_baseline(entry, window),
            has_twin=bool(before["has_twin"]),
            was_held=bool(before["was_held"]),
            same_below=before["same_below"],
            previous=before["previous"],
            previous_name=before["previous_name"],
            changes=changes,
            write=self._write(window, placed),
        )

    def _write(self, window: _Window, placed: Placement) -> Write | None:
        after = window.specs.get(placed.generation) if placed.generation is not None else None
        if after is None or placed.is_platform:
            return None
        older = [s for s in window.states if s.resource_version < after.resource_version]
        if not older:
            return None
        changes = self.templates.changes(older[-1].template_id, after.template_id)
        return Write(after, older[-1], changes)

    def _identity(self, entry: Entry, is_shared: bool) -> dict[str, Any]:
        label = f"{entry.number}~{entry.revision_uid[:4]}" if is_shared else str(entry.number)
        bumped_after = None
        if entry.earlier_number is not None:
            key = {"object_id": entry.object_id, "version": entry.version}
            row = self.ledger.row("fold/bumped_after", key)
            bumped_after = row["observed_at"] if row else None
        return {
            "revision_uid": entry.revision_uid,
            "number": entry.number,
            "label": label,
            "name": entry.name,
            "template_id": entry.template_id,
            "created_at": entry.created_at if entry.earlier_number is None else None,
            "bumped_after": bumped_after,
            "observed_at": entry.observed_at,
            "position": entry.position,
        }

    def _story(
        self,
        entry: Entry,
        placed: Placement,
        trigger: Trigger,
        known: Circumstances,
        window: _Window,
    ) -> dict[str, Any]:
        cause = cause_of(entry.change_cause, placed.generation, window.states)
        undo_of = known.same_below if trigger in ("undo", "return") else None
        intent = intent_of(known.write) if known.write and trigger == "undo" else {}
        return {
            "trigger": trigger,
            "undo_of": undo_of,
            "previous": known.previous,
            "generation": placed.generation,
            "generation_from": _source(placed),
            "summary": self._summary(entry, undo_of, known),
            "change_cause": cause.text,
            "change_cause_state": cause.state,
            "ticket": _text(intent.get("ticket")),
            "reason": _text(intent.get("reason")),
        }

    def _summary(self, entry: Entry, undo_of: int | None, known: Circumstances) -> str:
        changes = known.changes
        if changes is None:
            spec = self.templates.load(entry.template_id).get("spec")
            containers = spec.get("containers") if isinstance(spec, dict) else None
            listed = containers if isinstance(containers, list) else []
            images = [c.get("image") for c in listed if isinstance(c, dict)]
            return " ".join(["image", *(str(image) for image in images)]) if images else ""
        if not changes:
            # Its name is the hash of its bytes (controller_history.go, ControllerRevisionName).
            is_respelt = entry.name != known.previous_name
            return f"same template, {'in other bytes' if is_respelt else 'made again'}"
        told = summarize(changes)
        return f"back to {undo_of}: {told}" if undo_of is not None else told

    def _fate_columns(self, fate: Fate, template_id: int | None) -> dict[str, Any]:
        source = self._source_of_original(fate, template_id)
        return {
            "restorable": int(source is not None),
            "restorable_why": source or "secrets were redacted, no original was sealed",
            "live": int(fate.live),
            "pruned_at": fate.pruned_at,
            "pruned_after": fate.pruned_after,
            "pruned_why": fate.why,
        }

    def _source_of_original(self, fate: Fate, template_id: int | None) -> str | None:
        """From where the original of a template can still be had; None from nowhere."""
        if fate.exists:
            return "live"
        if template_id is None:
            return None
        if self.templates.is_whole(template_id):
            return "recorded"
        return "sealed" if self.templates.is_sealed(template_id) else None


def _is_adopted(entry: Entry) -> bool:
    return entry.earlier_number == entry.number


def _is_baseline(entry: Entry, window: _Window) -> bool:
    """Whether the entry was there when the first watch of its namespace began."""
    is_first_number = entry.earlier_number in (None, entry.number)
    return is_first_number and (window.baseline is None or entry.version <= window.baseline)


def _is_inherited(entry: Entry, window: _Window) -> bool:
    return _is_adopted(entry) or _is_baseline(entry, window)


def _placement_below(window: _Window) -> Placement:
    if window.below is None or window.below["generation"] is None:
        return Placement()
    generation = window.below["generation"]
    for index, run in enumerate(window.runs):
        if run.name == window.below["name"] and run.last_generation >= (generation or 0):
            return Placement(generation, index)
    return Placement(generation)


def _source(placed: Placement) -> str | None:
    """A template alone may be that of several generations: what rests on it may move yet."""
    if placed.generation is None:
        return None
    return "status" if placed.is_run_own else "template"


def _unseen(window: _Window) -> Iterator[dict[str, Any]]:
    """Rows for the numbers below the highest that nobody saw.

    An incarnation that adopted its revisions goes on counting where the one before it stopped: what
    is below the lowest adopted number was never its own.
    """
    numbers = sorted({entry.number for entry in window.entries})
    adopted = [entry.number for entry in window.entries if _is_adopted(entry)]
    start = max([window.below["number"] if window.below else 0, *adopted]) + 1
    for number in numbers:
        first = max(start, number - UNSEEN_LIMIT)
        if first > start:
            yield _unseen_row(window, first - 1, f"{start}..{first - 1}")
        for missing in range(first, number):
            yield _unseen_row(window, missing, str(missing))
        start = max(start, number + 1)


def _unseen_row(window: _Window, number: int, label: str) -> dict[str, Any]:
    above = next(entry for entry in window.entries if entry.number > number)
    return {
        "workload_uid": window.workload["uid"],
        "revision_uid": "",
        "number": number,
        "label": label,
        "name": "",
        "trigger": "unseen",
        "summary": "nobody was watching",
        "change_cause_state": "none",
        "observed_at": above.observed_at,
        "restorable": 0,
        "restorable_why": "never seen",
        "live": 0,
    }


def _entry(row: Row) -> Entry:
    return Entry(**{part.name: row[part.name] for part in fields(Entry)})


def _state(row: Row) -> SetState:
    columns = {part.name: row[part.name] for part in fields(SetState)}
    return SetState(**columns | {"settled": bool(row["settled"])})


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
