"""How far apart two records of different kinds may be and still belong together.

Watches of different kinds are not ordered among each other: a cause, such as an owner's end or a
limit's change, may be seen just after its effect.
"""

from __future__ import annotations

from datetime import timedelta

from ledger.model import parse_timestamp, timestamp

SLACK = timedelta(seconds=2)


def earlier(at: str) -> str:
    """A time (RFC 3339), earlier by that much."""
    return timestamp(parse_timestamp(at) - SLACK)


def later(at: str) -> str:
    """A time (RFC 3339), later by that much."""
    return timestamp(parse_timestamp(at) + SLACK)
