"""The write-ahead log of a file that we write: kept small although somebody always reads.

SQLite's own checkpoint, after every 1,000 pages, takes over what no reader needs but starts the
file over only when nobody reads at all. Under readers that come and go without a pause it would
grow without end. So its one writer, and nobody else, waits for them from time to time: readers that
begin meanwhile read the database alone, so it waits no longer than those it finds.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ledger.notices import warn

BOUND_BYTES = 16 * 1024 * 1024
"""From this size on the writer waits for readers."""

WARNING_BYTES = 64 * 1024 * 1024
WARNING_SECONDS = 3600.0

WAIT_MILLISECONDS = 1_250
ROUNDS = 2
"""Each round waits for readers that hold a transaction for a second. One alone may fail: readers
that come while it waits may sit down on the very place that it waits for, and keep it between them.
By the second round they all read the newest state, and who comes then needs no WAL.
"""

RETRY_SECONDS = 30.0
"""How long after rounds in vain the next are due."""


@dataclass(slots=True)
class WriteAhead:
    """The -wal beside a file, as the connection that writes the file sees it."""

    path: Path
    connection: sqlite3.Connection
    busy_milliseconds: int
    clock: Callable[[], float] = time.monotonic
    say: Callable[[str, str], None] = warn
    _due_at: float = 0.0
    _told_at: float | None = None

    def size_bytes(self) -> int:
        """How large it is; 0 when there is none."""
        try:
            return self.path.with_name(f"{self.path.name}-wal").stat().st_size
        except FileNotFoundError:
            return 0

    def bound(self) -> None:
        """To be called after a commit. Raises nothing: what is committed is safe in any case."""
        size = self.size_bytes()
        if size < BOUND_BYTES or self.clock() < self._due_at:
            return
        if not self._start_over():
            self._due_at = self.clock() + RETRY_SECONDS
            if size >= WARNING_BYTES:
                self._tell(size)

    def _start_over(self) -> bool:
        try:
            self.connection.execute(f"pragma busy_timeout = {WAIT_MILLISECONDS}")
            try:
                return any(self._round() for _ in range(ROUNDS))
            finally:
                self.connection.execute(f"pragma busy_timeout = {self.busy_milliseconds}")
        except sqlite3.Error:
            # A full or failing disk will be told by the next commit.
            return False

    def _round(self) -> bool:
        # As `restart`, and the file gives back its space.
        (is_busy, _, _) = self.connection.execute("pragma wal_checkpoint(truncate)").fetchone()
        return not is_busy

    def _tell(self, size: int) -> None:
        if self._told_at is not None and self.clock() < self._told_at + WARNING_SECONDS:
            return
        self._told_at = self.clock()
        self.say(
            f"{self.path}-wal has grown to {size / 1024**2:.0f} MiB: somebody has been reading "
            f"{self.path} for long without a pause",
            "see who has it open, for example with fuser",
        )
