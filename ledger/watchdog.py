"""Ends a process that hangs, so that whoever supervises it (systemd, a kubelet) starts it again.

A thread to which the parts report: the event loop ticks, and what touches a disk or a broker says
when it begins and ends. Waiting for work is not reported, so it may last. Time is the thread's own:
while the machine sleeps or the process is stopped none passes, and nothing looks late afterwards.

What holds the interpreter itself can stop this thread too; then nothing answers at `/livez` either.
"""

from __future__ import annotations

import asyncio
import os
import select
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count

LIMIT_SECONDS = 60.0
LOOKS = 60
"""How often one looks within the limit: at 60 s, every second."""

EXIT_CODE = 70
EVENT_LOOP = "the event loop"


class Watchdog:
    """Watches the steps of one process; inert until `running`. Any thread may report to it."""

    def __init__(
        self,
        limit_seconds: float = LIMIT_SECONDS,
        *,
        end: Callable[[str], None] | None = None,
    ) -> None:
        """`end` takes the line that says what hung; it ends the process with code 70."""
        self.limit_seconds = limit_seconds
        self._look_seconds = limit_seconds / LOOKS
        self._end = end or end_process
        self._steps: dict[int, tuple[str, float]] = {}
        self._numbers = count()
        self._lived_seconds = 0.0
        self._stopped = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Watchdog]:
        """Watch while the block lasts."""
        self._stopped.clear()
        thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._stopped.set()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """The block must end within the limit."""
        number = next(self._numbers)
        self._steps[number] = what, self._lived_seconds
        try:
            yield
        finally:
            del self._steps[number]

    @asynccontextmanager
    async def loop(self) -> AsyncIterator[None]:
        """The event loop must go round within the limit, while the block lasts."""
        ticking = asyncio.create_task(self._tick(), name="watchdog")
        try:
            yield
        finally:
            ticking.cancel()
            await asyncio.wait({ticking})

    def late(self, limit_seconds: float | None = None) -> list[str]:
        """What has lasted longer than the limit, or than the seconds given."""
        limit = self.limit_seconds if limit_seconds is None else limit_seconds
        return [what for what, seconds in self._ages() if seconds > limit]

    async def _tick(self) -> None:
        while True:
            # A step that lasts until the loop comes round to it again.
            with self.step(EVENT_LOOP):
                await asyncio.sleep(self._look_seconds)

    def _ages(self) -> list[tuple[str, float]]:
        return [(what, self._lived_seconds - began) for what, began in self._steps.copy().values()]

    def _watch(self) -> None:
        before = time.monotonic()
        while not self._stopped.wait(self._look_seconds):
            now = time.monotonic()
            # Whoever overslept was stopped, and so was everything it watches.
            self._lived_seconds += min(now - before, 2 * self._look_seconds)
            before = now
            for what, seconds in self._ages():
                if seconds > self.limit_seconds:
                    self._end(f"{what} hung for {seconds:.0f} s: ending, to be started again")
                    return


def end_process(what: str) -> None:
    """End now, with one line on stderr and code 70: nothing that hangs is waited for."""
    line = f"error: {what}\n".encode()
    # What hangs may be a write to stderr that nobody reads.
    _, is_writable, _ = select.select([], [2], [], 1.0)
    if is_writable:
        os.write(2, line[: select.PIPE_BUF])
    os._exit(EXIT_CODE)
