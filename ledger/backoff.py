"""How long to wait before the next try: client-go's reflector backoff, 0.8 s doubling to 30 s.

Full jitter spreads many watchers; two healthy minutes forget the past (reflector.go,
defaultBackoffInit, defaultBackoffMax, defaultBackoffReset).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

FIRST_SECONDS = 0.8
LARGEST_SECONDS = 30.0
FACTOR = 2.0
RESET_SECONDS = 120.0


@dataclass(slots=True)
class Backoff:
    """The waits of one stream; `next` gives the wait and lengthens the one after."""

    _ceiling_seconds: float = FIRST_SECONDS

    def next(self) -> float:
        """Seconds to wait: between half of the current ceiling and the whole."""
        ceiling = self._ceiling_seconds
        self._ceiling_seconds = min(ceiling * FACTOR, LARGEST_SECONDS)
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret

    def healthy(self, seconds: float) -> None:
        """A connection lasted so long: long enough starts over."""
        if seconds >= RESET_SECONDS:
            self._ceiling_seconds = FIRST_SECONDS
