"""The revisions that an undo chooses among: one list of the ledger's entries and the live
ControllerRevisions; pure.

What Kubernetes renumbered or pruned is still there, and what was never recorded is offered as
kubectl offers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

UNKNOWN_TRIGGERS = ("found", "adopted")
"""Triggers of revisions that had pods before anybody watched."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision that the set could be set back to."""

    workload_uid: str
    revision_uid: str
    number: int
    label: str
    name: str
    digest: str | None
    """Of the recorded template; None when it was not recorded."""

    generation: int | None = None
    observed_at: str | None = None
    is_ready: bool | None = None
    """Whether a pod was ever ready on it; None when nobody can tell."""

    finished_at: str | None = None
    broke_at: str | None = None
    superseded_at: str | None = None
    superseded_generation: int | None = None
    deleted_at: str | None = None
    """When its incarnation was deleted."""

    pruned_at: str | None = None
    """When its number was no longer to be found in the cluster."""

    raw_revision: Mapping[str, Any] | None = None
    """The live ControllerRevision that holds its template."""

    @property
    def created_at(self) -> str:
        """When its ControllerRevision was created; empty for one that is gone."""
        metadata = (self.raw_revision or {}).get("metadata") or {}
        return str(metadata.get("creationTimestamp") or "")

    @property
    def is_recorded(self) -> bool:
        """Whether the ledger has its template."""
        return self.digest is not None

    def is_same_as(self, other: Candidate) -> bool:
        """Whether both have one template."""
        return self.name == other.name or (self.digest is not None and self.digest == other.digest)


def candidates(
    rows: Sequence[Mapping[str, Any]],
    raw_revisions: Sequence[Mapping[str, Any]],
    *,
    uid: str,
    ready: Iterable[str],
) -> list[Candidate]:
    """Every revision with a template, of every incarnation; rows are those of
    queries/undo_targets.sql, the live revisions those of the set of this uid, and `ready` names the
    revisions that a living pod is ready on.
    """
    by_uid = {raw["metadata"]["uid"]: raw for raw in raw_revisions}
    by_name = {raw["metadata"]["name"]: raw for raw in raw_revisions}
    on_it = set(ready)
    found: list[Candidate] = []
    for _, each in groupby(rows, key=lambda row: str(row["workload_uid"])):
        found += _recorded(list(each))
    known = {(each.revision_uid, each.number) for each in found}
    found += [_unrecorded(raw, uid) for raw in raw_revisions if _key(raw) not in known]
    return [
        replace(
            each,
            raw_revision=by_uid.get(each.revision_uid) or by_name.get(each.name),
            is_ready=True if each.workload_uid == uid and each.name in on_it else each.is_ready,
        )
        for each in found
    ]


def _recorded(rows: Sequence[Mapping[str, Any]]) -> Iterator[Candidate]:
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        if row["template_digest"] is None:
            continue
        yield Candidate(
            workload_uid=str(row["workload_uid"]),
            revision_uid=str(row["revision_uid"]),
            number=int(row["number"]),
            label=str(row["label"]),
            name=str(row["name"]),
            digest=str(row["template_digest"]),
            generation=row["generation"],
            observed_at=row["observed_at"],
            is_ready=_is_ready(row),
            finished_at=row["finished_at"],
            broke_at=row["broke_at"],
            superseded_at=following["observed_at"] if following else None,
            superseded_generation=following["generation"] if following else None,
            deleted_at=row["deleted_at"],
            pruned_at=row["pruned_at"],
        )


def _is_ready(row: Mapping[str, Any]) -> bool | None:
    if row["ready_at"] is not None:
        return True
    is_unknown = row["trigger"] in UNKNOWN_TRIGGERS or row["phase"] == "unobserved"
    return None if is_unknown else False


def _unrecorded(raw_revision: Mapping[str, Any], uid: str) -> Candidate:
    revision_uid, number = _key(raw_revision)
    name = str(raw_revision["metadata"]["name"])
    return Candidate(uid, revision_uid, number, str(number), name, None)


def _key(raw_revision: Mapping[str, Any]) -> tuple[str, int]:
    return str(raw_revision["metadata"]["uid"]), int(raw_revision.get("revision", 0))


def by_number(each: Candidate) -> tuple[int, str]:
    return each.number, each.observed_at or "~"
