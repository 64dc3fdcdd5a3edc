"""What was watched, and what was not: coverage intervals and gaps, from the watchers' own records.

Silence is never completeness. An interval grows only by heartbeats and snapshots; it ends with a
stop or a gap, and a gap is closed by the next complete snapshot of its stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consumers.projection import Observed, Touched
from ledger.canonical import to_bytes
from ledger.envelope import Document
from ledger.errors import PoisonRecord
from ledger.model import respelt, version_number
from ledger.store import Ledger


@dataclass(slots=True)
class Coverage:
    """Keeps `coverage` and `gaps`."""

    ledger: Ledger
    touched: Touched

    def apply(self, observed: Observed) -> None:
        """Take in a coverage or gap record; other facts are not looked at."""
        document, fact = observed.document, observed.fact
        if fact not in ("coverage", "gap"):
            return
        if not isinstance(document.data, dict):
            raise PoisonRecord(f"a {fact} record without data")
        try:
            if fact == "gap":
                self._gap(observed, document.data)
            else:
                self._mark(observed, document.data)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as wrong:
            raise PoisonRecord(f"not a {fact}: {type(wrong).__name__} {wrong}") from None

    def settle(self) -> None:
        """Close the gaps that a complete snapshot has ended."""
        for kind, scope in self.touched.baselines:
            self.ledger.run("fold/close_gaps", {"kind": kind, "scope": scope})
        self.ledger.run("fold/close_everywhere", {})

    def forget(self) -> None:
        """Nothing is cached."""

    def _mark(self, observed: Observed, data: Mapping[str, Any]) -> None:
        match data["mark"]:
            case "stream-start":
                self._begin(observed, data, how=str(data["mode"]))
            case "snapshot-end":
                # A list that only compares does not move the watch on.
                told = data.get("after") or data["resource_version"]
                self._extend(observed, data, observed.document.version(told), "live")
            case "heartbeat":
                shared = {name: data.get(name) for name in ("redaction", "skew_seconds", "sealing")}
                for stream in data["streams"]:
                    self._beat(observed, stream | shared)
            case "stream-stop":
                version = observed.document.version(data.get("cursor"))
                row = self._extend(observed, data, version, "stopped")
                self.ledger.put("coverage", [{**row, "ended_how": "stopped"}])
            case _:
                pass

    def _beat(self, observed: Observed, stream: Mapping[str, Any]) -> None:
        state = str(stream["state"])
        row = self._latest(observed, stream)
        if state != "live" and row is not None and row["ended_how"]:
            return
        self._extend(observed, stream, observed.document.version(stream.get("cursor")), state)

    def _begin(self, observed: Observed, data: Mapping[str, Any], *, how: str) -> dict[str, Any]:
        row = {
            "kind": str(data["kind"]),
            "scope": str(data["scope"]),
            "instance_id": observed.instance_id,
            "began_at": observed.document.time,
            "began_how": how,
            "until_at": observed.document.time,
            "resource_version": observed.document.version(data.get("cursor")),
            "state": "starting",
            "ended_how": None,
            "redaction_policy": str(data["redaction"]["policy"]),
            "redaction_key": str(data["redaction"]["key"]),
            "skew_seconds": None,
            "sealing_key": (data.get("sealing") or {}).get("key"),
        }
        return row | {"id": self.ledger.add("coverage", row)}

    def _extend(
        self, observed: Observed, data: Mapping[str, Any], version: int | None, state: str
    ) -> dict[str, Any]:
        row = self._latest(observed, data)
        if row is None or row["ended_how"] == "gap":
            row = self._begin(observed, data, how="listed")
        # A stream that is reconnecting was last watched when it last heard something.
        heard_at = respelt(data.get("seen_at") or observed.document.time)
        row["until_at"] = max(row["until_at"], min(heard_at, observed.document.time))
        row["state"] = state
        if data.get("skew_seconds") is not None:
            row["skew_seconds"] = float(data["skew_seconds"])
        if version is not None:
            row["resource_version"] = max(version, row["resource_version"] or 0)
        self.ledger.put("coverage", [row])
        return row

    def _latest(self, observed: Observed, data: Mapping[str, Any]) -> dict[str, Any] | None:
        key = {
            "instance_id": observed.instance_id,
            "kind": str(data["kind"]),
            "scope": str(data["scope"]),
        }
        return self.ledger.row("fold/latest_coverage", key)

    def _gap(self, observed: Observed, data: Mapping[str, Any]) -> None:
        document = observed.document
        if data["state"] == "closed" and data.get("gap"):
            closing = {
                "id": str(data["gap"]),
                "closed_at": document.time,
                "next_version": document.version(data.get("next_resource_version")),
            }
            self.ledger.run("fold/close_gap", closing)
            return
        scope = {"kind": str(data.get("kind", "*")), "scope": str(data.get("scope", "*"))}
        if scope["kind"] != "*":
            row = self._latest(observed, scope)
            if row is not None and not row["ended_how"]:
                self.ledger.put("coverage", [{**row, "state": "gap", "ended_how": "gap"}])
        self.ledger.put("gaps", [scope | self._gap_row(observed, data)])

    def _gap_row(self, observed: Observed, data: Mapping[str, Any]) -> dict[str, Any]:
        document = observed.document
        told = (
            *("cause", "state", "kind", "scope"),
            *("last_seen_at", "last_resource_version", "last_epoch"),
        )
        detail = {name: value for name, value in data.items() if name not in told}
        return {
            "id": document.id,
            "cause": str(data["cause"]),
            "last_seen_at": respelt(data.get("last_seen_at") or document.time),
            "opened_at": document.time,
            "last_version": _last_version(data, document),
            "instance_id": observed.instance_id,
            "detail": to_bytes(detail).decode(),
            "position": observed.position,
        }


def _last_version(data: Mapping[str, Any], document: Document) -> int | None:
    told = data.get("last_resource_version")
    epoch = data.get("last_epoch")
    if told in (None, "") or epoch is None:
        return document.version(told)
    return version_number(int(told), epoch=int(epoch))
