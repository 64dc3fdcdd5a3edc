"""What the API server refused to let the StatefulSet controller make, from Events; pure.

The controller reports a pod it could not create as `create Pod web-3 in StatefulSet web failed
error: …` with reason FailedCreate, and a claim likewise (stateful_pod_control.go, recordPodEvent
and recordClaimEvent): quotas, webhooks and policies show nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import PoisonRecord
from ledger.rollout.raw import mapping, number, server_time, text

_MADE = re.compile(
    r"[Cc]reate (?:Claim \S+ for )?Pod (\S+) in StatefulSet \S+ failed error: (.*)", re.DOTALL
)
REASONS = ("FailedCreate",)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A pod that could not be made, and what the API server said, newest time last."""

    set_uid: str
    pod: str
    reason: str
    message: str
    count: int
    first_at: str | None
    last_at: str | None


def refusal(raw_event: Mapping[str, Any]) -> Refusal | None:
    """The refusal that an Event tells of, None for any other. Raises PoisonRecord for what no API
    server serves.
    """
    try:
        return _refusal(raw_event)
    except (KeyError, TypeError, AttributeError, ValueError) as wrong:
        raise PoisonRecord(f"not an Event: {type(wrong).__name__} {wrong}") from None


def recorded(row: Any) -> Refusal:
    """The refusal that a row of the table `refusals` holds."""
    return Refusal(
        set_uid=row["workload_uid"],
        pod=row["pod"],
        reason=row["reason"],
        message=row["message"],
        count=row["times"],
        first_at=row["first_at"],
        last_at=row["last_at"],
    )


def _refusal(raw_event: Mapping[str, Any]) -> Refusal | None:
    reason, message = raw_event.get("reason", ""), raw_event.get("message", "")
    found = _MADE.match(message) if reason in REASONS else None
    if found is None:
        return None
    series = mapping(raw_event.get("series"))
    first_at = raw_event.get("firstTimestamp") or raw_event.get("eventTime")
    last_at = series.get("lastObservedTime") or raw_event.get("lastTimestamp") or first_at
    return Refusal(
        set_uid=text(mapping(raw_event.get("involvedObject")).get("uid", "")),
        pod=found[1],
        reason=reason,
        message=found[2],
        count=number(series.get("count") or raw_event.get("count") or 1),
        first_at=server_time(first_at),
        last_at=server_time(last_at),
    )
