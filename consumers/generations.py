"""Which spec write caused which revision; pure.

A StatefulSet's status pairs `updateRevision` with `observedGeneration`, and every template change
the controller acts on gives a higher number. So the numbers of an incarnation and the runs of
updateRevision over the observed generations go up the same stairs, though either may miss a step: a
template replaced before the controller looked never gets a number, and a status that nobody saw
leaves a number without a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Number = int


@dataclass(frozen=True, slots=True)
class SetState:
    """A StatefulSet's state in which something the ledger derives from changed."""

    resource_version: int
    observed_at: str
    generation: int
    template_id: int
    change_cause: str | None
    undo_annotation: str | None
    observed_generation: int
    update_revision: str
    settled: bool
    strategy: str
    update_partition: int
    managed_fields: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A number that a ControllerRevision held under this incarnation.

    `earlier_number` is the number the same object held before, in whichever incarnation, None for
    its first.
    """

    object_id: int
    revision_uid: str
    name: str
    created_at: str | None
    number: Number
    version: int
    position: int
    observed_at: str
    template_id: int
    change_cause: str | None
    earlier_number: Number | None


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of status in which updateRevision stayed the same."""

    name: str
    first_generation: int
    last_generation: int
    settled: bool


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an entry stands on the stairs: the generation that caused it (None: not known) and its
    run.
    """

    generation: int | None = None
    run: int = -1
    is_run_own: bool = False
    is_platform: bool = False


def runs_of(states: Iterable[SetState]) -> list[Run]:
    """The runs of updateRevision, in resourceVersion order."""
    runs: list[Run] = []
    for state in states:
        if not state.update_revision:
            continue
        seen = state.observed_generation
        if runs and runs[-1].name == state.update_revision:
            last = runs[-1]
            runs[-1] = Run(
                last.name,
                last.first_generation,
                max(seen, last.last_generation),
                last.settled or state.settled,
            )
        else:
            runs.append(Run(state.update_revision, seen, seen, state.settled))
    return runs


def first_states(states: Iterable[SetState]) -> dict[int, SetState]:
    """The first state seen of each generation: the one that its spec write left."""
    first: dict[int, SetState] = {}
    for state in states:
        first.setdefault(state.generation, state)
    return first


def place_inherited(entry: Entry, *, is_newest: bool, runs: Sequence[Run]) -> Placement:
    """The place of an entry that was there before the incarnation, or before the watch, began.

    Only the newest of them can have been current at the beginning, or be about to be: the status
    follows a moment later. A later run of the name of another is that revision under a new number.
    """
    for index, run in enumerate(runs[:2]):
        if is_newest and run.name == entry.name:
            return Placement(run.first_generation, index, is_run_own=True)
    return Placement()


def place(
    entry: Entry, *, after: Placement, runs: Sequence[Run], specs: Mapping[int, SetState]
) -> Placement:
    """The place of an entry, given that of the entry below it.

    A run that begins at a generation the run before it had already observed was no spec write: the
    control plane itself made the revision (the 1.33 to 1.34 upgrade, kubernetes#134773).
    """
    below = after.generation or 0
    for index in range(after.run + 1, len(runs)):
        if runs[index].name != entry.name:
            continue
        seen = runs[index].first_generation
        if index > 0 and seen <= runs[index - 1].last_generation:
            return Placement(seen, index, is_run_own=True, is_platform=True)
        generation = _walk_down(seen, below, entry.template_id, specs)
        return Placement(generation, index, is_run_own=True)
    wanted = [
        g for g, state in specs.items() if g > below and state.template_id == entry.template_id
    ]
    return Placement(min(wanted, default=None), after.run)


def _walk_down(seen: int, below: int, template_id: int, specs: Mapping[int, SetState]) -> int:
    # The status may first be seen after later writes that left the template alone, such as a scale.
    generation = seen
    while (
        generation - 1 > below
        and generation in specs
        and specs[generation].template_id == template_id
        and generation - 1 in specs
        and specs[generation - 1].template_id == template_id
    ):
        generation -= 1
    return generation
