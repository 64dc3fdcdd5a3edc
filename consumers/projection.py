"""What every projection is: records in, rows out, nothing else touched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ledger.envelope import Document
from ledger.model import Position


@dataclass(frozen=True, slots=True)
class Observed:
    """A record that could be read, and what the ledger already knew of it.

    `disposition` is `first` (new), `duplicate` (same object, resourceVersion and data as an earlier
    record), `recoding` (same object and resourceVersion, other data), `late` (older than what is
    known, but not seen before), or `fact` for records that are not about an object.
    """

    position: Position
    document: Document
    fact: str
    disposition: str
    instance_id: int
    object_id: int = 0
    plural: str = ""

    @property
    def is_news(self) -> bool:
        """True when the record says something that no earlier record said."""
        return self.disposition in ("first", "late", "fact")


class Projection(Protocol):
    """One fold. Both calls happen inside the transaction that also moves the position."""

    def apply(self, observed: Observed) -> None:
        """Take in one record. Raises PoisonRecord, having written nothing, for content it cannot
        read.
        """

    def settle(self) -> None:
        """Recompute the derived rows that the batch's records touched."""

    def forget(self) -> None:
        """Drop what is cached: the transaction was rolled back."""


@dataclass(slots=True)
class Touched:
    """What a batch has changed that later projections derive from; emptied when the batch is
    settled.
    """

    existence: set[str] = field(default_factory=set)
    """Uids of objects that were deleted, or turned out not to be."""

    baselines: set[tuple[str, str]] = field(default_factory=set)
    """(kind, scope) of snapshots that became complete."""

    numbers: dict[str, int] = field(default_factory=dict)
    """The lowest revision number derived anew, by the workload's uid."""

    moments: dict[str, str] = field(default_factory=dict)
    """The earliest time at which something about a workload's pods or spec turned out to be
    otherwise, by its uid.
    """

    pruned: set[str] = field(default_factory=set)
    """Uids of ControllerRevisions that perhaps went for another reason than was thought."""

    writes: set[tuple[int, int]] = field(default_factory=set)
    """Spec writes of which something is news: (object id of the set, generation)."""

    actions: list[Mapping[str, Any]] = field(default_factory=list)
    """Rows of audited requests that are new, or gone since another record tells more of them."""

    sealed: set[str] = field(default_factory=set)
    """Digests of templates of which an original was sealed."""

    now: str = ""
    """The greatest record time so far, notes aside."""

    def at(self, workload_uid: str, moment: str) -> None:
        """Something that happened to a workload at that time is news."""
        known = self.moments.get(workload_uid)
        if known is None or moment < known:
            self.moments[workload_uid] = moment

    def clear(self) -> None:
        """Begin the next batch."""
        self.existence.clear()
        self.baselines.clear()
        self.numbers.clear()
        self.moments.clear()
        self.pruned.clear()
        self.writes.clear()
        self.actions.clear()
        self.sealed.clear()
