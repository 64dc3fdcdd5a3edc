"""How long to wait before the next try.

The defaults are client-go's (tools/cache/reflector.go: 0.8 s doubling to 30 s, forgotten after two
minutes without a failure). The wait is the step plus up to as much again at random, so that many
watchers of one API server spread out, and the steps stop at half of the largest wait.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.pace import Pace

FIRST_SECONDS = 0.8
LARGEST_SECONDS = 30.0
RESET_SECONDS = 120.0


@dataclass(slots=True)
class Backoff:
    """The waits of one thing that may fail: each `next` lengthens the one after."""

    pace: Pace
    first_seconds: float = FIRST_SECONDS
    largest_seconds: float = LARGEST_SECONDS
    _step_seconds: float = field(init=False)
    _failed_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._step_seconds = self.first_seconds
        self._failed_at = self.pace.monotonic()

    def next(self) -> float:
        """Seconds to wait after a failure just now."""
        now = self.pace.monotonic()
        if now - self._failed_at > RESET_SECONDS:
            self._step_seconds = self.first_seconds
        step, self._failed_at = self._step_seconds, now
        self._step_seconds = min(step * 2, self.largest_seconds / 2)
        return step * (1 + self.pace.random())
