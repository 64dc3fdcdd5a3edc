"""`diff`: two revisions of one workload, field by field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.diff import Change, count_unchanged, diff
from ledger.errors import NotRecorded, UsageError
from ledger.reader import LedgerReader
from ledger.show import RecordedRevision, previous_of, revision


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two revisions, what differs, and how many fields are the same in both."""

    workload: Mapping[str, Any]
    old: RecordedRevision
    new: RecordedRevision
    changes: tuple[Change, ...]
    unchanged: int


def compare(reader: LedgerReader, workload: Mapping[str, Any], words: Sequence[str]) -> Comparison:
    """`7..9` or `7 9`: these two; `9`: it and the one before it; nothing: the last change.

    Raises UsageError for more words, NotRecorded for a revision that is not in the ledger.
    """
    parts = [part for word in words for part in word.split("..") if part]
    if len(parts) > 2:
        raise UsageError("diff compares two revisions", hint="diff sts/web 7..9")
    new = revision(reader, workload, parts[-1] if parts else "-1")
    old = (
        revision(reader, workload, parts[0])
        if len(parts) == 2
        else previous_of(reader, workload, new)
    )
    if old is None:
        raise NotRecorded(
            f"revision {new.label} of {workload['namespace']}/{workload['name']} "
            "has none recorded before it",
            hint=f"rollout-ledger show sts/{workload['name']} --revision {new.label} -o yaml",
        )
    changes = diff(old.template, new.template)
    return Comparison(workload, old, new, changes, count_unchanged(old.template, new.template))
