"""Why a pod is not ready, and whether waiting may still help; pure.

The words are the kubelet's and the scheduler's own (kubernetes pkg/kubelet/images/types.go,
pkg/kubelet/container/sync_result.go, pkg/kubelet/kuberuntime): some of them never go away by
themselves, so nobody has to wait before a rollout is called stuck.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from ledger.model import parse_timestamp, timestamp
from ledger.rollout.pods import PodState
from ledger.rollout.refusals import Refusal
from ledger.rollout.stale import StaleClaim

PATIENCE = timedelta(minutes=10)
"""How long a pod may be unready for no telling reason before its rollout counts as stuck."""

IMAGE_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "ImageInspectError",
    "SignatureValidationFailed",
)
CRASH_REASONS = ("CrashLoopBackOff",)
CONFIG_REASONS = (
    "CreateContainerConfigError",
    "CreateContainerError",
    "PreCreateHookError",
    "PreStartHookError",
    "PostStartHookError",
    "RunContainerError",
)
HOPELESS = frozenset((*IMAGE_REASONS, *CRASH_REASONS, *CONFIG_REASONS, "FailedCreate"))
MISSING, NOT_READY, TERMINATING = "Missing", "NotReady", "Terminating"
STALE_CLAIM = "StaleClaim"
"""Why a pod is missing that no Event tells of: in the controller's own code, PodClaimIsStale."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the pod of an ordinal: Kubernetes' word, its sentence, since when; and
    from when on it counts as stuck (None: not by waiting alone).
    """

    ordinal: int
    pod: str
    revision: str
    reason: str
    message: str
    since: str | None
    stuck_at: str | None
    pod_state: PodState | None

    def is_stuck(self, now: str) -> bool:
        """Whether waiting on has become pointless."""
        return self.stuck_at is not None and self.stuck_at <= now


def trouble_of(pod: PodState, ordinal: int) -> Trouble | None:
    """What is wrong with a pod; None when it is ready and stays."""
    if pod.terminating_at is not None:
        return _of(pod, ordinal, TERMINATING, pod.terminating_at)
    if pod.ready and not pod.is_terminal:
        return None
    return _of(pod, ordinal, pod.reason or pod_word(pod), pod.ready_changed_at or pod.created_at)


def missing(ordinal: int, name: str, since: str | None) -> Trouble:
    """An ordinal that has no pod."""
    return Trouble(ordinal, name, "", MISSING, "", since, _after(since), None)


def kept_from(ordinal: int, name: str, since: str | None, claim: StaleClaim) -> Trouble:
    """An ordinal whose pod the controller does not make while its claim is an earlier pod's: for as
    long as a missing one's it may be waited for, for the garbage collector takes such claims away.
    """
    told = missing(ordinal, name, since)
    return replace(told, reason=STALE_CLAIM, message=claim.told)


def refused(ordinal: int, told: Refusal) -> Trouble:
    """An ordinal whose pod the API server would not let the controller make."""
    since = told.first_at
    return Trouble(ordinal, told.pod, "", told.reason, told.message, since, since or "", None)


def pod_word(pod: PodState) -> str:
    """What to call an unready pod that gives no reason: its end, or that it is not ready."""
    return pod.phase if pod.is_terminal else NOT_READY


def _of(pod: PodState, ordinal: int, reason: str, since: str | None) -> Trouble:
    at_once = reason in HOPELESS
    stuck_at = (since or "") if at_once else _after(since)
    message = "" if reason == TERMINATING else pod.message
    return Trouble(ordinal, pod.name, pod.revision, reason, message, since, stuck_at, pod)


def _after(since: str | None) -> str | None:
    return None if since is None else timestamp(parse_timestamp(since) + PATIENCE)
