"""Whether a change cause speaks of the change it stands beside; pure.

The controller copies the StatefulSet's annotations to a ControllerRevision when it makes one and
never again, so `kubernetes.io/change-cause` on a revision is often the cause of an earlier change.
It is `fresh` only when it changed in the template's own write, `late` when it was added afterwards
but before the next template write, otherwise `stale`. A bump's copied cause is always stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from consumers.generations import SetState

CauseState = Literal["none", "fresh", "late", "stale", "unverified"]


@dataclass(frozen=True, slots=True)
class Cause:
    """A change cause and how far it can be believed."""

    text: str | None
    state: CauseState


def cause_of(copied: str | None, generation: int | None, states: Sequence[SetState]) -> Cause:
    """The cause of the revision that `generation` caused, `copied` being the one on the
    ControllerRevision.
    """
    index = next((i for i, state in enumerate(states) if state.generation == generation), None)
    if generation is None or index is None:
        return Cause(copied, "unverified") if copied else Cause(None, "none")
    own = states[index]
    if index == 0 and generation > 1:
        return Cause(own.change_cause, "unverified") if own.change_cause else Cause(None, "none")
    before = states[index - 1].change_cause if index else None
    if own.change_cause and own.change_cause != before:
        return Cause(own.change_cause, "fresh")
    for state in states[index + 1 :]:
        if state.template_id != own.template_id:
            break
        if state.change_cause and state.change_cause != own.change_cause:
            return Cause(state.change_cause, "late")
    return Cause(copied, "stale") if copied else Cause(None, "none")
