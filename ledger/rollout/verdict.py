"""Whether a rollout is under way, held back, settling, stuck or complete, and what holds it up.

Pure. Truth is the pods' own `controller-revision-hash`, not the status' counters, which are missing
or wrong in some releases and count twice when both revisions are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from ledger.model import parse_timestamp, timestamp
from ledger.rollout.pods import PodState, ordinal_of
from ledger.rollout.refusals import Refusal
from ledger.rollout.sets import ON_DELETE, PARALLEL, ROLLING_UPDATE, SetStatus
from ledger.rollout.trap import is_trap
from ledger.rollout.trouble import HOPELESS, Trouble, missing, refused, trouble_of

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
    asks for them (None: nobody knows), and when the last pod of each name ended.
    """

    set_name: str
    refusals: Sequence[Refusal] = ()
    since: str | None = None
    gone: Mapping[str, str] = field(default_factory=dict)


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


def available_at(status: SetStatus, pod: PodState) -> str | None:
    """When a ready pod has been so for minReadySeconds; None for one that is not ready."""
    if not pod.ready or pod.is_terminal or pod.terminating_at is not None:
        return None
    if pod.ready_changed_at is None or status.min_ready_seconds == 0:
        # Ready is available then: the node's clock, which may be fast, has no say.
        return ""
    wait = timedelta(seconds=status.min_ready_seconds)
    return timestamp(parse_timestamp(pod.ready_changed_at) + wait)


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
        elif told := refusals.get(ordinal):
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
    return missing(ordinal, name, since)


def _refusals(absences: Absences) -> dict[int | None, Refusal]:
    """The newest refusal of each ordinal; none from before a pod that has been there since."""
    told = sorted(absences.refusals, key=lambda each: each.last_at or "")
    return {ordinal_of(each.pod): each for each in told if not _is_past(each, absences.gone)}


def _is_past(refusal: Refusal, gone: Mapping[str, str]) -> bool:
    # Events are told to the second.
    return (refusal.last_at or "9")[:19] < gone.get(refusal.pod, "")[:19]


def _holds_up(status: SetStatus, trouble: Trouble) -> bool:
    """Whether the controller waits for this pod.

    OrderedReady waits for every pod, Parallel replaces an unready one that is due by itself, and
    with OnDelete a pod on an old revision is nobody's hurry. A pod that goes must be gone before
    another of its name can be made.
    """
    pod = trouble.pod_state
    is_due = pod is None or pod.terminating_at is not None or pod.revision == status.update_revision
    if status.strategy == ON_DELETE:
        return is_due
    if status.pod_management == PARALLEL:
        return is_due or trouble.ordinal not in targeted_ordinals(status)
    return True


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
    stuck = [each for each in troubles if each.is_stuck(now)]
    phase, due_at = _phase(status, troubles, stuck, updated, available, now)
    return Verdict(
        phase=phase,
        revision=status.update_revision,
        wanted=len(status.ordinals),
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
    stuck: Sequence[Trouble],
    updated: set[int],
    available: Sequence[str | None],
    now: str,
) -> tuple[Phase, str | None]:
    if status.terminating or not status.is_observed:
        return "progressing", None
    if stuck:
        return "stalled", None
    if troubles or any(ordinal not in updated for ordinal in targeted_ordinals(status)):
        due = [each.stuck_at for each in troubles if each.stuck_at is not None]
        return "progressing", min(due, default=None)
    settling = [at for at in available if at is not None and at > now]
    if settling:
        return "settling", max(settling)
    return ("complete" if len(updated) == len(status.ordinals) else "staged"), None


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
