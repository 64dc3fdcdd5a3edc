"""One revision, found by what people call it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import NotRecorded, UsageError
from ledger.reader import LedgerReader


@dataclass(frozen=True, slots=True)
class RecordedRevision:
    """A row of queries/revision.sql and its pod template, as recorded (secrets redacted)."""

    row: Mapping[str, Any]
    template: dict[str, Any]

    @property
    def label(self) -> str:
        """The number as shown."""
        return str(self.row["label"])


def revision(reader: LedgerReader, workload: Mapping[str, Any], word: str) -> RecordedRevision:
    """The revision of a number or label; `-1` is the newest, `-2` the one before, as in
    kubectl-revisions, and `live` the one that runs now.

    Raises NotRecorded for a number never seen, UsageError for a number that was used twice.
    """
    rows = _rows(reader, workload, "")
    named = f"{workload['namespace']}/{workload['name']}"
    if word == "live":
        found = [row for row in rows if row["name"] == workload["update_revision"]][-1:]
    elif word.startswith("-") and word[1:].isdigit():
        back = int(word[1:])
        found = [rows[-back]] if 0 < back <= len(rows) else []
    else:
        found = [row for row in rows if word in (row["label"], str(row["number"]))]
    if not found:
        numbers = ", ".join(str(row["label"]) for row in rows[-8:]) or "none"
        raise NotRecorded(
            f"revision {word} of {named} was never recorded", hint=f"the newest are {numbers}"
        )
    if len(found) > 1:
        raise UsageError(
            f"revision {word} of {named} was used {len(found)} times",
            hint="say which: " + ", ".join(f"{r['label']} ({r['summary']})" for r in found),
        )
    return _recorded(found[0])


def previous_of(
    reader: LedgerReader, workload: Mapping[str, Any], shown: RecordedRevision
) -> RecordedRevision | None:
    """The recorded revision before this one; None for the first."""
    rows = _rows(reader, workload, "")
    index = next(i for i, row in enumerate(rows) if row["label"] == shown.label)
    return _recorded(rows[index - 1]) if index else None


def _rows(reader: LedgerReader, workload: Mapping[str, Any], label: str) -> list[dict[str, Any]]:
    asked = {
        "namespace": workload["namespace"],
        "name": workload["name"],
        "workload_uid": workload["uid"],
        "label": label,
    }
    return [row for row in reader.query("revision", asked) if row["template"] is not None]


def _recorded(row: Mapping[str, Any]) -> RecordedRevision:
    return RecordedRevision(row, json.loads(row["template"]))
