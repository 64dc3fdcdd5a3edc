"""Why a revision came to be, from what is known of it and of the write that caused it; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from consumers.generations import Entry, Placement, SetState
from ledger.diff import Change, restart_only
from ledger.managed_fields import kubectl_undo

Trigger = Literal[
    "create", "change", "restart", "undo", "return", "platform", "adopted", "found", "unseen"
]


@dataclass(frozen=True, slots=True)
class Write:
    """A spec write: the state it left, the state before it, and what it changed in the template."""

    after: SetState
    before: SetState
    changes: tuple[Change, ...]

    @property
    def kept_template(self) -> bool:
        """True when it is known to have left the template as it was: a scale, say."""
        return self.is_adjacent and not self.changes

    @property
    def is_adjacent(self) -> bool:
        """True when no write lies unseen between the two states."""
        return self.after.generation == self.before.generation + 1


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else a trigger depends on.

    `has_twin` and `was_held`: another object held the number before, and the template; `same_below`
    is the highest lower number with the same template; `changes` are against the next lower
    revision, None when there is none; `write` is None when it was not seen.
    """

    is_adopted: bool
    is_baseline: bool
    has_twin: bool
    was_held: bool
    same_below: int | None
    previous: int | None
    previous_name: str | None
    changes: tuple[Change, ...] | None
    write: Write | None


def trigger_of(entry: Entry, placement: Placement, known: Circumstances) -> Trigger:
    """The trigger of a revision entry; the order of the questions is the order of certainty."""
    if known.is_adopted:
        return "adopted"
    if known.is_baseline:
        return "found"
    if placement.is_platform or _is_made_again(entry, known):
        return "platform"
    if known.previous is None:
        return "create" if entry.number <= 1 and not known.has_twin else "change"
    if known.same_below is not None:
        if known.write and is_undo(known.write):
            return "undo"
        if known.same_below == known.previous and (not known.write or known.write.kept_template):
            return "platform"
        return "return"
    if known.changes and restart_only(known.changes):
        return "restart"
    return "change"


def _is_made_again(entry: Entry, known: Circumstances) -> bool:
    """True for a revision that the controller put in the place of one that was deleted; another
    template under that number is somebody's, and so is an old one that a write brought.
    """
    if not (known.has_twin and known.was_held):
        return False
    write = known.write
    return not write or not write.changes or write.after.resource_version > entry.version


def is_undo(write: Write) -> bool:
    """True for our own undo, marked by its annotation, and for `kubectl rollout undo`, known by how
    it writes.

    Our annotation counts only in the state where it first appears, with the base generation one
    less.
    """
    if intent_of(write):
        return True
    return kubectl_undo(
        _metadata(write.before), _metadata(write.after), write.changes, adjacent=write.is_adjacent
    )


def intent_of(write: Write) -> Mapping[str, Any]:
    """What our own undo said of this write; empty for any other."""
    after = write.after
    return undo_intent(
        after.undo_annotation, earlier=write.before.undo_annotation, generation=after.generation
    )


def undo_intent(
    annotation: str | None, *, earlier: str | None, generation: int
) -> Mapping[str, Any]:
    """What our undo annotation says of the write that made a generation, given what it said before:
    `nonce`, `baseGeneration`, `revision`, `label`, `reason`, `ticket`. Empty where it speaks of
    another write, for annotations are copied and linger.
    """
    if annotation == earlier:
        return {}
    try:
        intent = json.loads(annotation or "{}")
    except (ValueError, RecursionError):
        return {}
    is_about_it = isinstance(intent, dict) and intent.get("baseGeneration") == generation - 1
    return intent if is_about_it else {}


def _metadata(state: SetState) -> dict[str, Any]:
    return {"managedFields": json.loads(state.managed_fields)}
