"""Whether a rollout is under way, held back, settling, stuck or complete, and what holds it up.

Pure. Truth is the pods' own `controller-revision-hash`, not the status' counters, which are missing
or wrong in some releases and count twice when both revisions are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ledger.rollout.budget import allowed_unavailable, available_at, waiting
from ledger.rollout.pods import PodState, ordinal_of
from ledger.rollout.refusals import Refusal
from ledger.rollout.sets import ON_DELETE, PARALLEL, ROLLING_UPDATE, SetStatus
from ledger.rollout.stale import StaleClaim
from ledger.rollout.trap import is_trap
from ledger.rollout.trouble import HOPELESS, Trouble, kept_from, missing, refused, trouble_of

Phase = Literal["progressing", "staged", "settling", "stalled", "complete"]


@dataclass(frozen=True, slots=True)
class Blocker:
    """A pod that holds the rollout up: Kubernetes' word for why, its sentence, and since when."""

    pod: str
    revision: str
    reason: str
    message: str
    since: str | None
    is_trap: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a rollout to `revision` is doing. `blockers` are empty unless it is stalled; `due_at` is
    when the phase changes by the passing of time alone, None when it does not.
    """

    phase: Phase
    revision: str
    wanted: int
    targeted: int
    updated: int
    ready: int
    available: int
    blockers: tuple[Blocker, ...]
    due_at: str | None


@dataclass(frozen=True, slots=True)
class Absences:
    """What is known of the pods of a set that are not there: what was refused, since when the spec
    asks for them (None: nobody knows), when the last pod of each name ended, and which claim keeps
    the pod of an ordinal from being made.
    """

    set_name: str
    refusals: Sequence[Refusal] = ()
    since: str | None = None
    gone: Mapping[str, str] = field(default_factory=dict)
    stale: Mapping[int, StaleClaim] = field(default_factory=dict)


def verdict(
    status: SetStatus, pods: Sequence[PodState], absences: Absences, *, now: str
) -> Verdict:
    """What the set's rollout to its update revision is doing at `now`, given the pods that live and
    that the set controls.
    """
    by_ordinal = newest_by_ordinal(pods)
    return _judged(status, by_ordinal, _troubles(status, by_ordinal, absences), now)


def newest_by_ordinal(pods: Iterable[PodState]) -> dict[int, PodState]:
    """The pod of each ordinal; of two that were seen at once the one created later."""
    found: dict[int, PodState] = {}
    for pod in sorted(pods, key=lambda each: (each.created_at or "", each.uid)):
        if pod.ordinal is not None:
            found[pod.ordinal] = pod
    return found


def is_updated(status: SetStatus, pod: PodState | None) -> bool:
    """Whether the pod runs the update revision and stays."""
    return (
        pod is not None
        and pod.revision == status.update_revision
        and pod.terminating_at is None
        and not pod.is_terminal
    )


def targeted_ordinals(status: SetStatus) -> range:
    """The ordinals that the controller moves by itself: none with OnDelete."""
    if status.strategy == ON_DELETE:
        return range(0)
    return status.target_ordinals if status.strategy == ROLLING_UPDATE else status.ordinals


def _troubles(
    status: SetStatus, by_ordinal: Mapping[int, PodState], absences: Absences
) -> list[Trouble]:
    found: list[Trouble] = []
    refusals = _refusals(absences)
    lower_ready_at = ""
    for ordinal in status.ordinals:
        pod = by_ordinal.get(ordinal)
        if pod is not None:
            trouble = trouble_of(pod, ordinal)
            lower_ready_at = max(lower_ready_at, pod.ready_changed_at or "")
        elif (told := refusals.get(ordinal)) and ordinal not in absences.stale:
            trouble = refused(ordinal, told)
        elif found and status.pod_management != PARALLEL:
            continue  # Nobody makes it before the lower ones are ready.
        else:
            is_next = status.pod_management != PARALLEL
            trouble = _missing(ordinal, absences, lower_ready_at if is_next else "")
        if trouble is not None and _holds_up(status, trouble):
            found.append(trouble)
    return found


def _missing(ordinal: int, absences: Absences, lower_ready_at: str) -> Trouble:
    """A pod that nobody made: missed from when it was wanted, its like was gone and its turn came,
    whichever was last.
    """
    name = f"{absences.set_name}-{ordinal}"
    since = absences.since
    if since is not None:
        since = max(since, absences.gone.get(name, ""), lower_ready_at)
    if claim := absences.stale.get(ordinal):
        return kept_from(ordinal, name, since, claim)
    return missing(ordinal, name, since)


def _refusals(absences: Absences) -> dict[int | None, Refusal]:
    """The newest refusal of each ordinal; none from before a pod that has been there since."""
    told = sorted(absences.refusals, key=lambda each: each.last_at or "")
    return {ordinal_of(each.pod): each for each in told if not _is_past(each, absences.gone)}


def _is_past(refusal: Refusal, gone: Mapping[str, str]) -> bool:
    # Events are told to the second.
    return (refusal.last_at or "9")[:19] < gone.get(refusal.pod, "")[:19]


def _holds_up(status: SetStatus, trouble: Trouble) -> bool:
    """Whether the controller may wait for this pod.

    OrderedReady waits for every pod, Parallel replaces an unready one that the update reaches by
    itself, and with OnDelete a pod on an old revision is nobody's hurry.
    """
    if status.strategy == ON_DELETE:
        return _is_due(status, trouble)
    if status.pod_management == PARALLEL:
        return _is_due(status, trouble) or trouble.ordinal not in targeted_ordinals(status)
    return True


def _is_due(status: SetStatus, trouble: Trouble) -> bool:
    """Whether the pod is one that must become ready, or go: a pod that goes must be gone before
    another of its name can be made.
    """
    pod = trouble.pod_state
    return pod is None or pod.terminating_at is not None or pod.revision == status.update_revision


def _in_the_way(
    status: SetStatus, by_ordinal: Mapping[int, PodState], troubles: Sequence[Trouble], now: str
) -> list[Trouble]:
    """The troubles that hold the set up now.

    With Parallel an old pod beneath the partition does so only by what it takes from the budget of
    unavailable pods: when as many as are allowed are stuck, and ready ones wait to be replaced.
    """
    due = [each for each in troubles if _is_due(status, each)]
    if status.pod_management != PARALLEL or len(due) == len(troubles):
        return list(troubles)
    allowed, stuck = allowed_unavailable(status), sum(each.is_stuck(now) for each in troubles)
    is_used_up = allowed is not None and stuck >= allowed and waiting(status, by_ordinal)
    return list(troubles) if is_used_up else due


def _judged(
    status: SetStatus,
    by_ordinal: Mapping[int, PodState],
    troubles: Sequence[Trouble],
    now: str,
) -> Verdict:
    targeted = targeted_ordinals(status)
    living = [by_ordinal[ordinal] for ordinal in status.ordinals if ordinal in by_ordinal]
    available = [available_at(status, pod) for pod in living]
    updated = {o for o in status.ordinals if is_updated(status, by_ordinal.get(o))}
    held = _in_the_way(status, by_ordinal, troubles, now)
    stuck = [each for each in held if each.is_stuck(now)]
    phase, due_at = _phase(status, troubles, held, updated, available, now)
    return Verdict(
        phase=phase,
        revision=status.update_revision,
        wanted=status.wanted,
        targeted=len(targeted),
        updated=len(updated),
        ready=sum(at is not None for at in available),
        available=sum(at is not None and at <= now for at in available),
        blockers=_blockers(status, by_ordinal, stuck) if phase == "stalled" else (),
        due_at=due_at,
    )


def _phase(
    status: SetStatus,
    troubles: Sequence[Trouble],
    held: Sequence[Trouble],
    updated: set[int],
    available: Sequence[str | None],
    now: str,
) -> tuple[Phase, str | None]:
    if status.terminating or not status.is_observed:
        return "progressing", None
    if any(each.is_stuck(now) for each in held):
        return "stalled", None
    if held or any(ordinal not in updated for ordinal in targeted_ordinals(status)):
        # What holds up nobody now may, beside others, once it is stuck as well.
        due = [at for each in troubles if (at := each.stuck_at) is not None and at > now]
        return "progressing", min(due, default=None)
    settling = [at for at in available if at is not None and at > now]
    if settling:
        return "settling", max(settling)
    return ("complete" if len(updated) == status.wanted else "staged"), None


def _blockers(
    status: SetStatus, by_ordinal: Mapping[int, PodState], stuck: Iterable[Trouble]
) -> tuple[Blocker, ...]:
    pods = list(by_ordinal.values())
    told = [(each, is_trap(status, each, pods)) for each in stuck]
    told.sort(key=lambda pair: (not pair[1], pair[0].reason not in HOPELESS, pair[0].ordinal))
    return tuple(
        Blocker(each.pod, each.revision, each.reason, each.message, each.since, trap)
        for each, trap in told
    )
