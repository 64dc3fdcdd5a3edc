"""Time and chance, as the composition gives them: a watch waits, measures and spreads its requests
only through these.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from ledger.model import utc_now


@dataclass(frozen=True, slots=True)
class Pace:
    """The wall clock (for records), a clock that never jumps (for durations), waiting, and a number
    in [0, 1).
    """

    now: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random
