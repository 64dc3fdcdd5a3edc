"""Where a stream stands: its open gaps, and what the log says of it when a watcher starts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OpenGap:
    """A gap that no snapshot has closed yet: its id and its cause."""

    id: str
    cause: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a stream stands in the log when a watcher starts."""

    cursor: str = ""
    """The resourceVersion up to which everything is in the log; empty when nothing says so."""

    seen_at: str = ""
    """When the API server last said anything, RFC 3339; empty for never."""

    gaps: tuple[OpenGap, ...] = ()
    refiltered: bool = False
    """The cursor was reached while keeping other objects than we do now."""

    epoch: int = 0
    """The cluster epoch that the cursor is of, when that has ended; 0 for the present one."""

    sealing_key: str = ""
    """To which recipients the originals of all that was told are sealed; empty when to none, or
    when the list that was to see to it has not ended.
    """
