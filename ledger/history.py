"""`history`: every revision a workload ever had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import LedgerError
from ledger.reader import LedgerReader
from ledger.sql import load
from ledger.targets import Scope, born_by, find, find_at, names_of

SPEC = "spec"
"""The trigger shown for a change that made no revision."""


@dataclass(frozen=True, slots=True)
class WorkloadHistory:
    """One incarnation and its revisions, newest first; rows are those of queries/history.sql, and,
    where asked for, changes that made no revision in the same form.
    """

    workload: Mapping[str, Any]
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the revisions; empty fields do not narrow."""

    since: str = ""
    until: str = ""
    image: str = ""
    limit: int = 0
    as_of: str = ""
    all_incarnations: bool = False
    all_changes: bool = False


def histories(
    reader: LedgerReader, words: Sequence[str], scope: Scope, wanted: Wanted
) -> list[WorkloadHistory]:
    """The histories of the workloads meant. Raises NotRecorded, UsageError."""
    return [
        WorkloadHistory(workload, rows)
        for workload in _chosen(reader, words, scope, wanted)
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


def _chosen(
    reader: LedgerReader, words: Sequence[str], scope: Scope, wanted: Wanted
) -> list[dict[str, Any]]:
    if wanted.as_of:
        newest = find_at(reader, words, scope, wanted.as_of)
    else:
        newest = find(reader, words, scope)
    if wanted.all_incarnations:
        newest = [row for each in newest for row in born_by(reader, each, wanted.as_of or "9")]
    return [_then(reader, row, wanted.as_of) for row in newest] if wanted.as_of else newest


def _then(reader: LedgerReader, workload: dict[str, Any], at: str) -> dict[str, Any]:
    """What the incarnation counted at a time, instead of what it counts now."""
    rows = reader.query("history", {"selector_uid": workload["uid"], "as_of": at})
    is_gone = bool(workload["deleted_at"]) and workload["deleted_at"] <= at
    return workload | {
        "recorded": sum(row["trigger"] != "unseen" for row in rows),
        "live": sum(bool(row["live"]) for row in rows),
        "deleted_at": workload["deleted_at"] if is_gone else None,
    }


def _rows(
    reader: LedgerReader, workload: Mapping[str, Any], wanted: Wanted
) -> list[dict[str, Any]]:
    rows = reader.query(
        "history",
        {
            "selector_uid": workload["uid"],
            "since": wanted.since,
            "until": wanted.until,
            "as_of": wanted.as_of,
            "image": wanted.image,
            "limit": str(wanted.limit) if wanted.limit else "",
        },
    )
    if wanted.all_changes:
        rows = sorted([*rows, *_spec_rows(reader, workload, wanted)], key=_when, reverse=True)
    return rows[: wanted.limit] if wanted.limit else rows


def _spec_rows(
    reader: LedgerReader, workload: Mapping[str, Any], wanted: Wanted
) -> list[dict[str, Any]]:
    """The changes that made no revision, one row a generation, in the form of history's rows."""
    until = wanted.until or (f"{wanted.as_of}~" if wanted.as_of else "")
    asked = {"workload_uid": workload["uid"], "since": wanted.since, "until": until}
    told: dict[int, dict[str, Any]] = {}
    for change in reader.query("spec_history", asked):
        generation = change["generation"]
        if generation in told:
            told[generation]["summary"] += f", {change['summary']}"
            continue
        named = ("namespace", "workload", "workload_uid", "actor", "impersonated", "basis")
        same = (*named, "observed_at", "position", "summary")
        told[generation] = dict.fromkeys(load("history").columns) | {
            **{name: change[name] for name in same},
            "generation": generation,
            "label": f"g{generation}",
            "trigger": SPEC,
            "change_cause_state": "none",
        }
    return list(told.values())


def _when(row: Mapping[str, Any]) -> tuple[str, int]:
    return str(row["observed_at"]), int(row["position"] or 0)
