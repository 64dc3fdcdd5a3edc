"""Whether a ledger and its gaps explain what a world was: every state is there or lies in a gap,
and nothing is claimed that never was.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from ledger.envelope import Document, parse
from ledger.model import parse_timestamp
from tests.world import Change
from tests.world_faults import RATES
from tests.world_run import History

SERVER_SECONDS = timedelta(seconds=1)
"""The API server tells a creation in whole seconds."""

HARMLESS = {
    *("watch ends", "watch breaks off", "repeated", "from the past", "unreachable", "throttled"),
    *("list fails", "list expires", "page too large", "log unreachable", "log unsure"),
    *("record twice", "killed", "stopped", "second watcher"),
}
"""Faults that lose nothing while the server can still tell its history."""

REASONS: dict[str, set[str]] = {
    "expired-410": {"expired within a watch", "history is over"},
    "watch-error": {"error within a watch"},
    "forbidden": {"forbidden"},
    "decode": {"unreadable line", "unreadable item"},
    "line-too-long": {"long line"},
    "sequence-jump": {"record lost"},
    "relist-mismatch": {"silently dropped", "record lost"},
    "generation-jump": set(RATES) - HARMLESS,
}
"""What alone may be the reason of a gap of this cause."""


@dataclass
class Checked:
    """The truth beside the ledger; `wrong` is what does not fit, in sentences."""

    made: History
    ledger: Path
    wrong: list[str] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)
    explained: int = 0
    excused: int = 0

    def __post_init__(self) -> None:
        connection = sqlite3.connect(self.ledger)
        connection.row_factory = sqlite3.Row
        try:
            self.rows = {
                table: [dict(row) for row in connection.execute(f"select * from {table}")]
                for table in ("objects", "gaps", "snapshots", "rejects")
            }
            self.seen = [
                dict(row)
                for row in connection.execute("""
                    select uid, fact, observations.resource_version as version, generation,
                        snapshot, observed_at
                    from observations join objects on objects.id = object_id""")
            ]
        finally:
            connection.close()
        self.causes.update(gap["cause"] for gap in self.rows["gaps"])
        self.objects = {row["uid"]: row for row in self.rows["objects"]}
        self.truth = [change for change in self.made.world.truth if change.is_kept]
        self.lost = [parse(value) for value in self.made.records.lost]
        self.happened = self.made.faults.happened

    @property
    def owed(self) -> set[str]:
        """Objects with a state that the log has lost. It comes back when a list tells all again,
        which a living process does but once a day; until then its hole stays open.
        """
        held = {(row["uid"], row["version"]) for row in self.seen}
        return {
            document.objectuid
            for document in self.lost
            if document.objectuid and (document.objectuid, document.version_number) not in held
        }

    def check(self) -> list[str]:
        """Everything; the sentences of what is wrong."""
        if self.rows["rejects"]:
            self.wrong.append(f"rejects: {self.rows['rejects']}")
        self._check_end()
        self._check_claims()
        self._check_explained()
        self._check_alarms()
        self._check_deletions()
        self._check_generations()
        self._check_comparisons()
        return self.wrong

    def _check_end(self) -> None:
        """What is alive, and at which version, is what the ledger holds for alive."""
        live = {
            uid: change.version for uid, change in self.made.world.live().items() if change.is_kept
        }
        held = {
            uid: row["resource_version"]
            for uid, row in self.objects.items()
            if row["deleted_how"] is None
        }
        for uid in live.keys() | held.keys():
            if live.get(uid) != held.get(uid) and uid not in self.owed:
                self.wrong.append(f"end: {uid} is {live.get(uid)}, the ledger has {held.get(uid)}")

    def _check_claims(self) -> None:
        """Every observation is of a state that was."""
        was = {
            (change.uid, change.version, "deleted" if change.change == "DELETED" else "state"): (
                change.generation
            )
            for change in self.truth
        }
        for row in self.seen:
            key = row["uid"], row["version"], row["fact"]
            if was.get(key) != row["generation"]:
                self.wrong.append(f"claim: {key} at generation {row['generation']} never was")

    def _check_explained(self) -> None:
        """Every change is observed or lies in a gap."""
        seen = {(row["uid"], row["version"]) for row in self.seen}
        begun = self._begun()
        for change in self.truth:
            if (change.uid, change.version) in seen:
                continue
            if change.version <= begun.get((change.kind, change.namespace), -1):
                continue
            if any(self._explains(gap, change) for gap in self._gaps()):
                self.explained += 1
            elif self._is_excused(change):
                self.excused += 1
            else:
                self.wrong.append(
                    f"unexplained: {change.change} {change.kind}/{change.name} {change.uid}"
                    f" {change.version} at {change.at}"
                )

    def _begun(self) -> dict[tuple[str, str], int]:
        """Where each stream's first complete list was, by kind and namespace."""
        begun: dict[tuple[str, str], int] = {}
        for row in self.rows["snapshots"]:
            if not row["complete"]:
                continue
            scopes = ("shop", "bank", "") if row["scope"] == "*" else (row["scope"],)
            for scope in scopes:
                key = row["kind"], scope
                begun[key] = min(begun.get(key, 10**9), row["resource_version"])
        return begun

    def _gaps(self) -> Iterator[dict[str, Any]]:
        yield from (gap for gap in self.rows["gaps"] if gap["cause"] != "sequence-jump")
        # The record of a gap that was lost itself: the hole in the count tells of it.
        for document in self.lost:
            data = document.data or {}
            if document.fact == "gap" and data["state"] == "open":
                last = data.get("last_resource_version")
                yield {
                    "kind": data["kind"],
                    "scope": data["scope"],
                    "cause": data["cause"],
                    "last_version": int(last) if last else None,
                    "next_version": None,
                    "last_seen_at": data.get("last_seen_at") or document.time,
                }

    def _explains(self, gap: dict[str, Any], change: Change) -> bool:
        if gap["kind"] != change.kind or gap["scope"] not in ("*", change.namespace):
            return False
        if gap["cause"] == "generation-jump" and gap["id"].split("/")[1] != change.uid:
            return False
        low, high = gap["last_version"], gap["next_version"]
        if low is None:
            is_after = self._is_since(gap["last_seen_at"], change)
        else:
            is_after = low < change.version
        return bool(is_after and (high is None or change.version <= high))

    def _is_since(self, at: str, change: Change) -> bool:
        # A wall clock that jumps says nothing.
        return bool(self.happened["clock jumps"]) or change.at >= parse_timestamp(at)

    def _is_excused(self, change: Change) -> bool:
        """Lost with a record whose number is missing, or hidden by the server and written over
        before any list could show it.
        """
        for document in self.lost:
            if document.fact in ("state", "deleted") and (
                (document.objectuid, int(document.resourceversion)) == (change.uid, change.version)
            ):
                return self._is_hole(document)
        if (change.uid, change.version) not in self.made.faults.hidden:
            return False
        return change.change == "DELETED" or not any(
            row["complete"] and row["kind"] == change.kind
            and row["scope"] in ("*", change.namespace)
            and change.version <= row["resource_version"] < self._next_version(change)
            for row in self.rows["snapshots"]
        )  # fmt: skip

    def _is_hole(self, document: Document) -> bool:
        # What vanishes from the very end of a process leaves no hole in its count; the positions of
        # a real log tell of it, which this one has none of.
        number = (document.instance, document.sequence)
        return number in self._holes() or number not in self.made.records.lost_numbers()

    def _holes(self) -> set[tuple[str, int]]:
        """The numbers that the ledger says are missing."""
        told: set[tuple[str, int]] = set()
        for gap in self.rows["gaps"]:
            if gap["cause"] == "sequence-jump":
                hole = json.loads(gap["detail"])
                told |= {(hole["instance"], n) for n in range(hole["first"], hole["last"] + 1)}
        return told

    def _next_version(self, change: Change) -> int:
        later = (c.version for c in self.truth if c.uid == change.uid)
        return min((version for version in later if version > change.version), default=10**9)

    def _check_alarms(self) -> None:
        """No gap without its reason, none left open, and each missing number told."""
        for gap in self.rows["gaps"]:
            reasons = REASONS.get(gap["cause"], set())
            if not reasons & self.happened.keys():
                self.wrong.append(f"false alarm: {gap}")
            if gap["closed_at"] is None and not self._is_owed(gap):
                self.wrong.append(f"open: {gap}")
        told = self._holes()
        missing = self.made.records.lost_numbers()
        if told != missing:
            self.wrong.append(f"holes: {sorted(missing)} are missing, {sorted(told)} are told")

    def _is_owed(self, gap: dict[str, Any]) -> bool:
        """Whether something that the log has lost keeps it open: the hole itself, or a list of the
        gap's stream that would have closed it and is not whole without that.
        """
        if gap["cause"] == "sequence-jump":
            return bool(self.owed)
        return any(
            change.kind == gap["kind"] and gap["scope"] in ("*", change.namespace)
            for change in self.truth
            if change.uid in self.owed
        )

    def _check_deletions(self) -> None:
        """Each deletion's time, or the interval of one that was not seen, holds the true time."""
        if self.happened["clock jumps"]:
            return
        for change in self.truth:
            row = self.objects.get(change.uid)
            if change.change != "DELETED" or row is None or row["deleted_at"] is None:
                continue
            if parse_timestamp(row["deleted_at"]) + SERVER_SECONDS < change.at:
                self.wrong.append(f"deletion: {change.uid} at {change.at} after its interval {row}")
            after = row["deleted_after"]
            if after is not None and parse_timestamp(after) > change.at:
                self.wrong.append(
                    f"deletion: {change.uid} at {change.at} before its interval {row}"
                )

    def _check_generations(self) -> None:
        """A jump is told where a spec was written and never seen, and nowhere else."""
        states: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for row in self.seen:
            if self.objects[row["uid"]]["kind"] == "statefulsets":
                states[row["uid"]][row["version"]] = row["generation"]
        jumps = {
            f"generation/{uid}/{after}"
            for uid, generations in states.items()
            for (_, low), (after, high) in pairwise(sorted(generations.items()))
            if high > low + 1
        }
        told = {gap["id"] for gap in self.rows["gaps"] if gap["cause"] == "generation-jump"}
        if jumps != told:
            self.wrong.append(f"generations: {jumps - told} not told, {told - jumps} wrongly told")

    def _check_comparisons(self) -> None:
        """What a watch kept silent about and a comparing list showed is told as a mismatch."""
        told = {gap["id"] for gap in self.rows["gaps"] if gap["cause"] == "relist-mismatch"}
        snapshots = sorted(self.rows["snapshots"], key=lambda row: row["resource_version"] or 0)
        for change in self.truth:
            if (change.uid, change.version) not in self.made.faults.hidden:
                continue
            first = next(
                (
                    row
                    for row in snapshots
                    if row["complete"]
                    and row["kind"] == change.kind
                    and row["scope"] in ("*", change.namespace)
                    and change.version <= row["resource_version"]
                ),
                None,
            )
            if first is None or change.version > (first["after_version"] or 0):
                continue
            if self._was_told_otherwise(change, first):
                continue
            if f"relist/{first['id']}" not in told:
                self.wrong.append(f"mismatch: {change.uid} {change.version} in {first}")

    def _was_told_otherwise(self, change: Change, first: dict[str, Any]) -> bool:
        """By another watch, or what came after was; or nobody ever saw the object."""
        row = self.objects.get(change.uid)
        if change.change == "DELETED":
            return row is None or row["deleted_how"] != "inferred"
        if self._next_version(change) <= first["resource_version"]:
            return True
        return any(
            (seen["uid"], seen["version"]) == (change.uid, change.version)
            and seen["snapshot"] != first["id"]
            for seen in self.seen
        )
