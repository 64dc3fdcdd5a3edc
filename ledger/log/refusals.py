"""Why a broker did not let us in: aiokafka says it to its own log alone.

To its caller every failed connection is the same, and a wrong password would look like a broker
that is down. So this listens to that log, and passes nothing on: what matters of it reaches the
user as one of our errors. Which failures are refusals is left to brokers.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable


class Refusals(logging.Handler):
    """Remembers the newest refusal until it is asked for."""

    def __init__(self, is_refusal: Callable[[object], bool]) -> None:
        super().__init__(logging.ERROR)
        self._is_refusal = is_refusal
        self._newest: Exception | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Remember what one line of the log was about."""
        told = record.args if isinstance(record.args, tuple) else ()
        for each in told:
            if isinstance(each, Exception) and self._is_refusal(each):
                self._newest = each

    def take(self) -> Exception | None:
        """The newest refusal; from then on there is none, so that none is told too late."""
        newest, self._newest = self._newest, None
        return newest
