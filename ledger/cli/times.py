"""Times as people give them: how long ago, or an instant."""

from __future__ import annotations

import re
from datetime import timedelta

from ledger.errors import UsageError
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
