"""How far an answer can be trusted to be today's: the age of the oldest stream it needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ledger.model import parse_timestamp, timestamp
from ledger.reader import LedgerReader

LIVE_SECONDS = 90.0
"""Heartbeats come every 15 s and at least once a minute; older than this nobody is recording."""

HISTORY_NEEDS = ("statefulsets", "controllerrevisions")
State = Literal["live", "stale", "gap", "ended", "empty"]


@dataclass(frozen=True, slots=True)
class Freshness:
    """The state of the recording: when it was last heard of, and how long ago that is."""

    state: State
    heard_at: str | None
    age_seconds: float | None
    position: int
    detail: str = ""
    lag_records: int | None = None
    """How many records of the log are not in the ledger yet; None where the log is not at hand."""

    @property
    def is_doubtful(self) -> bool:
        """True when something may have changed that the ledger does not show."""
        return self.state in ("stale", "gap", "empty")

    def document(self) -> dict[str, Any]:
        """As it stands in `-o json`."""
        return asdict(self)

    def line(self) -> str:
        """The last line of every human output."""
        behind = f"; ledger {self.lag_records} records behind" if self.lag_records else ""
        return f"Recording: {self._told()}{behind}"

    def _told(self) -> str:
        age = "" if self.age_seconds is None else _age(self.age_seconds)
        match self.state:
            case "live":
                return f"live, heard {age} ago"
            case "stale":
                return f"stale, last heard {age} ago ({self.heard_at})"
            case "gap":
                return f"gap, {self.detail}; last heard {age} ago ({self.heard_at})"
            case "ended":
                return f"ended {self.heard_at}"
            case _:
                return "nothing recorded yet"


def unwatched(
    reader: LedgerReader,
    needs: Sequence[str],
    namespaces: Collection[str],
    *,
    at: str,
    now: datetime,
) -> list[str]:
    """Which of the kinds nobody watched in all the namespaces at a time; none while the proof that
    somebody did may be yet to come.
    """
    if at > timestamp(now - timedelta(seconds=LIVE_SECONDS)):
        return []
    found = []
    for kind in needs:
        rows = reader.query("recording_coverage", {"kind": kind, "since": at, "until": at})
        scopes = {row["scope"] for row in rows}
        if "*" not in scopes and not set(namespaces) <= scopes:
            found.append(kind)
    return found


def freshness(
    reader: LedgerReader, *, now: datetime, needs: Sequence[str] = HISTORY_NEEDS
) -> Freshness:
    """How fresh an answer is that needs these kinds."""
    rows, head = reader.query("freshness", {}), reader.log_head()
    position = rows[0]["position"] if rows else -1
    lag = None if head is None else max(0, head - position)
    streams = [row for row in rows if row["kind"] in needs]
    if not streams:
        return Freshness("empty", None, None, position, lag_records=lag)
    return _of(streams, now, position, lag)


def _of(
    streams: Sequence[Mapping[str, Any]], now: datetime, position: int, lag: int | None
) -> Freshness:
    oldest = min(streams, key=lambda row: str(row["until_at"]))
    age = max(0.0, (now - parse_timestamp(oldest["until_at"])).total_seconds())
    open_gaps = [row for row in streams if row["open_gaps"]]
    if all(row["state"] == "stopped" for row in streams):
        return Freshness("ended", oldest["until_at"], age, position, lag_records=lag)
    if open_gaps:
        detail = ", ".join(sorted({f"{row['kind']} {row['open_causes']}" for row in open_gaps}))
        return Freshness("gap", oldest["until_at"], age, position, detail, lag)
    state: State = "live" if age <= LIVE_SECONDS else "stale"
    return Freshness(state, oldest["until_at"], round(age, 1), position, lag_records=lag)


def _age(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    return age(seconds)


def age(seconds: float) -> str:
    """An age as kubectl writes it: 45s, 12m, 5h, 9d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
