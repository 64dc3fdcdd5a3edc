"""What a report is made of: the changes of a period and what they rest on, all from one state of
the ledger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import LedgerError, UsageError
from ledger.reader import LedgerReader
from ledger.report.rows import EXCEPTIONS, row_of

BASES = ("exact", "strong", "probable", "claimed", "unknown")
QUESTIONS = ("report_scope", "report_changes", "not_recorded", "report_coverage")
"""The questions that a report is made of."""

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Period:
    """Which changes: from `since` on and before `until` (RFC 3339; empty for any), in one namespace
    or, empty, in all.
    """

    since: str = ""
    until: str = ""
    namespace: str = ""

    def parameters(self, question: str) -> dict[str, str]:
        """What a question of QUESTIONS is asked with."""
        named = {"since": self.since, "until": self.until}
        match question:
            case "report_scope":
                return {}
            case "report_changes":
                return named | {"namespace": self.namespace}
            case _:
                return named


@dataclass(frozen=True, slots=True)
class Report:
    """The changes of a period, and what they rest on."""

    period: Period
    scope: Mapping[str, Any]
    """The row of queries/report_scope.sql."""

    rows: Rows
    """A row of rows.FIELDS for each change, oldest first."""

    gaps: Rows
    coverage: Rows

    @property
    def exceptions(self) -> list[Mapping[str, Any]]:
        """The changes that an auditor would look at: those with the most reasons first, then those
        with the gravest.
        """
        return sorted((row for row in self.rows if row["exceptions"]), key=_gravity)

    @property
    def watched_from(self) -> str:
        """Since when StatefulSets were watched; empty for never."""
        return min((row["began_at"] for row in self.coverage if _is_of_sets(row)), default="")

    def by_basis(self) -> dict[str, int]:
        """How many changes have an actor on each basis."""
        found = Counter(row["actor_confidence"] for row in self.rows)
        return {basis: found[basis] for basis in BASES}

    def by_exception(self) -> dict[str, int]:
        """How many changes have each reason to be looked at."""
        found = Counter(reason for row in self.rows for reason in _reasons(row))
        return {reason: found[reason] for reason in EXCEPTIONS}


def collect(reader: LedgerReader, period: Period) -> Report:
    """The report of a period, from one state of the ledger.

    Raises UsageError for a period that ends before it begins, LedgerError when a served ledger went
    on while it was read, and as the reader does.
    """
    if period.since and period.until and period.since >= period.until:
        raise UsageError(
            f"the period ends ({period.until}) before it begins ({period.since})",
            hint="--since is the earlier one; 7d is seven days ago",
        )
    with reader.snapshot():
        answers = {name: reader.query(name, period.parameters(name)) for name in QUESTIONS}
        after = reader.query("report_scope", {})
    if answers["report_scope"] != after:
        raise LedgerError(
            "the ledger went on while it was read",
            hint="try again, or make the report where the ledger's file is",
        )
    [scope] = after
    gaps = [gap for gap in answers["not_recorded"] if _concerns(gap, period)]
    rows = [row_of(raw, scope["cluster"], gaps) for raw in answers["report_changes"]]
    coverage = [row for row in answers["report_coverage"] if _concerns(row, period)]
    return Report(period, scope, rows, gaps, coverage)


def _concerns(row: Mapping[str, Any], period: Period) -> bool:
    return period.namespace == "" or row["scope"] in ("*", period.namespace)


def _is_of_sets(row: Mapping[str, Any]) -> bool:
    return bool(row["kind"] == "statefulsets")


def _reasons(row: Mapping[str, Any]) -> list[str]:
    return str(row["exceptions"] or "").split(", ") if row["exceptions"] else []


def _gravity(row: Mapping[str, Any]) -> tuple[int, int]:
    reasons = _reasons(row)
    return -len(reasons), EXCEPTIONS.index(reasons[0])
