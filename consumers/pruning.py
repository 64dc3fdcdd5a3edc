"""What became of a revision in the cluster: still there, renumbered, disowned, or deleted and why;
pure.

The controller deletes only revisions that nothing uses, lowest number first, once there are more of
them than `revisionHistoryLimit`; a live one (current, update, or on a pod, even one that is going)
never counts (stateful_set_control.go, truncateHistory). A deletion that does not fit was
somebody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fate:
    """Whether a number can still be found in the cluster and, if not, since when and why."""

    live: bool
    pruned_at: str | None = None
    pruned_after: str | None = None
    why: str | None = None
    exists: bool = True


@dataclass(frozen=True, slots=True)
class Sibling:
    """A revision of the same incarnation that was alive when another was deleted."""

    uid: str
    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Scene:
    """The incarnation around a deletion: siblings alive (the deleted one included) and the rules in
    force.

    A rule is a history limit with the names of the revisions in use while it held; the one in force
    comes first. `set_goes_soon` is what was seen only just after.
    """

    siblings: Sequence[Sibling]
    rules: Sequence[tuple[int, frozenset[str]]]
    set_is_going: bool
    set_goes_soon: bool = False


def fate_of(row: Mapping[str, object], workload_uid: str, scene: Scene | None) -> Fate:
    """The fate of an entry, from the facts of its ControllerRevision
    (queries/fold/revision_fate.sql).
    """
    exists = row["deleted_at"] is None
    if row["next_number"] is not None:
        at = str(row["next_observed_at"])
        return Fate(False, at, None, f"renumbered to {row['next_number']}", exists)
    if row["last_owner_uid"] != workload_uid and row["disowned_at"] is not None:
        return Fate(False, str(row["disowned_at"]), None, "left behind by an orphan delete", exists)
    if exists:
        return Fate(True)
    after = row["deleted_after"]
    return Fate(
        False,
        str(row["deleted_at"]),
        None if after is None else str(after),
        why_deleted(str(row["revision_uid"]), scene) if scene else "deleted",
        exists,
    )


def why_deleted(revision_uid: str, scene: Scene) -> str:
    """Why a revision was deleted: `set deleted`, `history limit N`, or `deleted by hand`."""
    if scene.set_is_going:
        return "set deleted"
    for limit, in_use in scene.rules:
        unused = sorted(
            (sibling for sibling in scene.siblings if sibling.name not in in_use),
            key=lambda sibling: sibling.number,
        )
        excess = unused[: max(0, len(unused) - limit)]
        if any(sibling.uid == revision_uid for sibling in excess):
            return f"history limit {limit}"
    return "set deleted" if scene.set_goes_soon else "deleted by hand"
