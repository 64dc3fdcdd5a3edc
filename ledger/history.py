"""`history`: every revision a workload ever had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import LedgerError
from ledger.reader import LedgerReader
from ledger.targets import Scope, find, names_of


@dataclass(frozen=True, slots=True)
class WorkloadHistory:
    """One incarnation and its revisions, newest first; rows are those of queries/history.sql."""

    workload: Mapping[str, Any]
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the revisions; empty fields do not narrow."""

    since: str = ""
    until: str = ""
    image: str = ""
    limit: int = 0
    all_incarnations: bool = False


def histories(
    reader: LedgerReader, words: Sequence[str], scope: Scope, wanted: Wanted
) -> list[WorkloadHistory]:
    """The histories of the workloads meant. Raises NotRecorded, UsageError."""
    return [
        WorkloadHistory(workload, rows)
        for newest in find(reader, words, scope)
        for workload in _incarnations(reader, newest, wanted)
        if (rows := _rows(reader, workload, wanted)) or words
    ]


def kubectl_rows(
    reader: LedgerReader, words: Sequence[str], scope: Scope
) -> list[tuple[str, list[dict[str, Any]]]]:
    """What kubectl would list now: (name, rows of queries/kubectl_history.sql) for each.

    Raises LedgerError in kubectl's words for a StatefulSet that does not exist now.
    """
    living = {
        row["name"]: row
        for row in reader.query("incarnations", {"namespace": scope.namespace})
        if row["deleted_at"] is None and row["created_at"] is not None
    }
    names = names_of(words) or [
        row["name"] for row in find(reader, (), scope) if row["name"] in living
    ]
    for name in names:
        if name not in living:
            raise LedgerError(f'Error from server (NotFound): statefulsets.apps "{name}" not found')
    return [
        (
            name,
            reader.query("kubectl_history", {"namespace": living[name]["namespace"], "name": name}),
        )
        for name in names
    ]


def _incarnations(
    reader: LedgerReader, newest: Mapping[str, Any], wanted: Wanted
) -> list[Mapping[str, Any]]:
    if not wanted.all_incarnations:
        return [newest]
    key = {"namespace": newest["namespace"], "name": newest["name"]}
    return [row for row in reader.query("incarnations", key) if row["name"] == newest["name"]]


def _rows(
    reader: LedgerReader, workload: Mapping[str, Any], wanted: Wanted
) -> list[dict[str, Any]]:
    return reader.query(
        "history",
        {
            "selector_uid": workload["uid"],
            "since": wanted.since,
            "until": wanted.until,
            "image": wanted.image,
            "limit": str(wanted.limit) if wanted.limit else "",
        },
    )
