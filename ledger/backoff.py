"""How long to wait before the next try: 0.8 s, then twice as long each time, up to 30 s.

The bounds are client-go's (tools/cache/reflector.go). Chance takes up to half off each wait, so
that many watchers of one API server spread out. When to forget the past is the caller's to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ledger.pace import Pace

FIRST_SECONDS = 0.8
LARGEST_SECONDS = 30.0


@dataclass(slots=True)
class Backoff:
    """The waits of one thing that may fail: each `next` lengthens the one after."""

    pace: Pace
    first_seconds: float = FIRST_SECONDS
    largest_seconds: float = LARGEST_SECONDS
    _ceiling_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self._ceiling_seconds = self.first_seconds

    def next(self) -> float:
        """Seconds to wait after a failure."""
        ceiling = self._ceiling_seconds
        self._ceiling_seconds = min(ceiling * 2, self.largest_seconds)
        return ceiling * (1 + self.pace.random()) / 2

    def reset(self) -> None:
        """It works again: the next failure is the first."""
        self._ceiling_seconds = self.first_seconds
