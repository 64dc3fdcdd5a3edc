"""How many pods a rolling update lets be unavailable at once, and which are; pure.

The number is the controller's, not the API text's: a percentage of spec.replicas is rounded down
and is at least 1 (kubernetes pkg/controller/statefulset/stateful_set_utils.go,
getStatefulSetMaxUnavailable; apps/v1 types.go says up). Every ordinal of the set counts against it,
those beneath the partition too (stateful_set_control.go,
updateStatefulSetAfterInvariantEstablished).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from ledger.model import parse_timestamp, timestamp
from ledger.rollout.pods import PodState
from ledger.rollout.sets import PARALLEL, ROLLING_UPDATE, SetStatus

_INT_OR_PERCENT = re.compile(r"([+-]?[0-9]{1,18})(%?)")


@dataclass(frozen=True, slots=True)
class Budget:
    """How many pods may be unavailable, and the ordinals that are; `waiting` are those of ready
    pods that the update has yet to replace.
    """

    allowed: int
    unavailable: tuple[int, ...]
    waiting: tuple[int, ...]

    @property
    def is_spent(self) -> bool:
        """Whether the controller lets no further ready pod go."""
        return len(self.unavailable) >= self.allowed


def budget_of(status: SetStatus, by_ordinal: Mapping[int, PodState], *, now: str) -> Budget | None:
    """The budget of a set whose pods these are; None where the controller keeps none, or nobody can
    tell.
    """
    allowed = allowed_unavailable(status)
    if allowed is None:
        return None
    unavailable = tuple(
        ordinal
        for ordinal in status.ordinals
        if not is_available(status, by_ordinal.get(ordinal), now)
    )
    return Budget(allowed, unavailable, waiting(status, by_ordinal))


def allowed_unavailable(status: SetStatus) -> int | None:
    """How many pods may be unavailable before a rolling update lets no ready one go.

    None for other strategies, for what no API server serves, and for a Parallel set without the
    field. A server whose gate MaxUnavailableStatefulSet is on (by default from 1.37) fills it in,
    so there the controller counts nothing: it waits for the pods above the next one. Or the
    strategy is a bare `type: RollingUpdate`, which looks the same with the gate on.
    """
    if status.strategy != ROLLING_UPDATE:
        return None
    if not status.max_unavailable:
        # In order every pod is waited for, gate or not.
        return None if status.pod_management == PARALLEL else 1
    found = _INT_OR_PERCENT.fullmatch(status.max_unavailable)
    if found is None:
        return None
    value = int(found[1])
    return max(1, value * max(0, status.replicas) // 100 if found[2] else value)


def waiting(status: SetStatus, by_ordinal: Mapping[int, PodState]) -> tuple[int, ...]:
    """The ordinals of ready pods that a rolling update has yet to replace: only those take from
    the budget when they go.
    """
    return tuple(
        ordinal
        for ordinal in status.target_ordinals
        if (pod := by_ordinal.get(ordinal)) is not None
        and pod.revision != status.update_revision
        and available_at(status, pod) is not None
    )


def is_available(status: SetStatus, pod: PodState | None, now: str) -> bool:
    """Whether a pod is there to stay and has been ready for minReadySeconds (isUnavailable)."""
    at = None if pod is None else available_at(status, pod)
    return at is not None and at <= now


def available_at(status: SetStatus, pod: PodState) -> str | None:
    """When a ready pod has been so for minReadySeconds; None for one that is not ready."""
    if not pod.ready or pod.is_terminal or pod.terminating_at is not None:
        return None
    if pod.ready_changed_at is None or status.min_ready_seconds == 0:
        # Ready is available then: the node's clock, which may be fast, has no say.
        return ""
    wait = timedelta(seconds=status.min_ready_seconds)
    return timestamp(parse_timestamp(pod.ready_changed_at) + wait)
