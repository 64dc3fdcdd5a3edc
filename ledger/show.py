"""One revision, found by what people call it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import NotRecorded, UsageError
from ledger.reader import LedgerReader
from ledger.revision_hash import NameHash, name_hash

NOBODYS = ("platform", "adopted", "found", "unseen")
"""Triggers of revisions that the write of their generation did not cause."""


@dataclass(frozen=True, slots=True)
class RecordedRevision:
    """A row of queries/revision.sql and its pod template, as recorded (secrets redacted)."""

    row: Mapping[str, Any]
    template: dict[str, Any]

    @property
    def label(self) -> str:
        """The number as shown."""
        return str(self.row["label"])

    @property
    def name_hash(self) -> NameHash:
        """Whether Kubernetes' hash of the template is the one in its name; `unchecked` where
        something of the template is hidden.
        """
        if self.row["redaction_key"] is not None:
            return "unchecked"
        return name_hash(self.row["name"], self.template, self.row["collision_count"])


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


def evidence_of(reader: LedgerReader, shown: RecordedRevision) -> list[dict[str, Any]]:
    """What speaks for an author, the best first: rows of queries/revision_evidence.sql.

    None for a revision that no write of a person caused.
    """
    if shown.row["generation"] is None or shown.row["trigger"] in NOBODYS:
        return []
    asked = {name: str(shown.row[name]) for name in ("workload_uid", "generation")}
    return reader.query("revision_evidence", asked)


def statements_of(reader: LedgerReader, shown: RecordedRevision) -> list[dict[str, Any]]:
    """What was said of it: rows of queries/revision_said.sql."""
    names = ("workload_uid", "generation", "number", "revision_uid")
    asked = {name: "" if (said := shown.row[name]) is None else str(said) for name in names}
    return reader.query("revision_said", asked)


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
