"""Times as people give them, and as they read them: how long ago, an instant, how long it took."""

from __future__ import annotations

import re
from datetime import timedelta

from ledger.errors import UsageError
from ledger.freshness import age
from ledger.model import parse_timestamp, timestamp, utc_now

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment(text: str) -> str:
    """`30m`, `2h`, `7d` before now, or RFC 3339, as the ledger writes times; empty stays empty.

    Raises UsageError for anything else.
    """
    if not text:
        return ""
    if found := re.fullmatch(r"(\d+)([smhdw])", text):
        return timestamp(utc_now() - timedelta(**{_UNITS[found[2]]: int(found[1])}))
    try:
        return timestamp(parse_timestamp(text))
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time",
            hint="give how long ago (30m, 2h, 7d) or RFC 3339 with a zone (2026-11-01T09:00:00Z)",
        ) from None


def past(text: str) -> str:
    """A moment that has been. Raises UsageError for one that is yet to come, too."""
    at = moment(text)
    if at > timestamp(utc_now()):
        raise UsageError(f"{text} is yet to come", hint="--as-of asks how things stood")
    return at


def seconds_of(text: str) -> float | None:
    """`30s`, `5m`, `1h` as seconds; None for nothing given or 0, which means no limit.

    Raises UsageError for anything else.
    """
    if text in ("", "0", "0s"):
        return None
    found = re.fullmatch(r"(\d+)([smhdw])", text)
    if found is None:
        raise UsageError(f"{text!r} is not a length of time", hint="such as 30s, 5m or 1h")
    return timedelta(**{_UNITS[found[2]]: int(found[1])}).total_seconds()


def instant(at: str | None) -> str:
    """A time to the second."""
    return f"{at[:19]}Z" if at else "-"


def clock(at: str | None) -> str:
    """The time of day, UTC."""
    return f"{parse_timestamp(at):%H:%M:%S}" if at else "-"


def took(seconds: float | None) -> str:
    """How long something took: `2.4s`, `47s`, `11m26s`, `3h`."""
    if seconds is None:
        return "-"
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m{whole % 60:02d}s" if whole < 3600 else age(seconds)
