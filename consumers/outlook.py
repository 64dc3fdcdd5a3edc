"""When a set's pods need no judgement, because nothing can have become of the rollout yet; pure.

Judging looks at every pod, and a set of a thousand has thousands of turns. As long as a pod is not
updated and none can be stuck, a rollout is neither complete nor stalled, whatever else it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ledger.rollout.pods import PodState
from ledger.rollout.sets import SetStatus
from ledger.rollout.trouble import missing, trouble_of
from ledger.rollout.verdict import is_updated


@dataclass(slots=True)
class Outlook:
    """Kept up to date pod by pod, at a cost that does not grow with their number."""

    set_name: str
    status: SetStatus | None = None
    wanted_at: str = ""
    behind: set[int] = field(default_factory=set)
    """Ordinals whose pod is not on the update revision."""

    stuck_at: dict[int, str] = field(default_factory=dict)
    """From when on, at the earliest, the pod of an ordinal counts as stuck."""

    is_odd: bool = False
    """A pod has a name that the set would not give."""

    def see_set(
        self,
        status: SetStatus,
        wanted_at: str,
        pods: Mapping[str, PodState],
        gone: Mapping[str, str],
    ) -> None:
        """Begin anew with a set as it is now."""
        self.status, self.wanted_at = status, wanted_at
        self.behind.clear()
        self.stuck_at.clear()
        for ordinal in status.ordinals:
            name = f"{self.set_name}-{ordinal}"
            self.see_pod(ordinal, pods.get(name), gone.get(name, ""))

    def see_pod(self, ordinal: int | None, pod: PodState | None, gone_at: str) -> None:
        """Take in a pod as it is now; None for one that ended, then or never having been."""
        if pod is not None and pod.name != f"{self.set_name}-{ordinal}":
            self.is_odd = True
        if self.status is None or ordinal is None or ordinal not in self.status.ordinals:
            return
        if is_updated(self.status, pod):
            self.behind.discard(ordinal)
        else:
            self.behind.add(ordinal)
        since = max(self.wanted_at, gone_at)
        trouble = trouble_of(pod, ordinal) if pod else missing(ordinal, "", since)
        if trouble is None or trouble.stuck_at is None:
            self.stuck_at.pop(ordinal, None)
        else:
            self.stuck_at[ordinal] = trouble.stuck_at

    def is_quiet(self, at: str) -> bool:
        """Whether the rollout can be neither complete nor stalled at that time, refusals aside."""
        return not self.is_odd and bool(self.behind) and not self._may_be_stuck(at)

    def due_at(self) -> str | None:
        """When that changes at the earliest by the passing of time alone."""
        return min(self.stuck_at.values(), default=None)

    def _may_be_stuck(self, at: str) -> bool:
        return any(when <= at for when in self.stuck_at.values())
