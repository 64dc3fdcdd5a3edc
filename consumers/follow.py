"""One loop over log.db, the same in both modes: read, fold, and move on in one transaction.

Exactly once: rows, Merkle frontier and position commit together, so a crash at any instant leaves a
batch folded or not begun. The fold never reads a clock; "now" is the greatest record time so far,
notes aside.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from consumers.actions import Actions
from consumers.attributions import Attributions
from consumers.comparisons import Comparisons
from consumers.coverage import Coverage
from consumers.generation_jumps import GenerationJumps
from consumers.notes import Notes
from consumers.observations import Observations
from consumers.pods import Pods
from consumers.projection import Projection, Touched
from consumers.refusals import Refusals
from consumers.revisions import Revisions
from consumers.rollouts import Rollouts
from consumers.sealed import SealedOriginals
from consumers.snapshots import Snapshots
from consumers.volumes import Volumes
from consumers.withheld import Withheld
from ledger.envelope import Document, parse
from ledger.errors import LogTruncated, OtherCluster, PoisonRecord
from ledger.model import NOWHERE, Position, Record
from ledger.store import Ledger, Progress

BATCH_RECORDS = 500
EDITION = 7
"""Raised whenever the same records would give other rows: a ledger folded by an earlier edition is
folded again.
"""


class Readable(Protocol):
    """As much of a log as the fold needs."""

    def read(self, after: Position, limit: int) -> list[Record]:
        """Up to `limit` records above a position, in order."""


@dataclass(slots=True)
class Follower:
    """Folds a log into a ledger."""

    log: Readable
    ledger: Ledger
    errors: Counter[str] = field(default_factory=Counter)
    """Records that could not be read, by the part that refused them."""

    _touched: Touched = field(default_factory=Touched)
    _observations: Observations = field(init=False)
    _projections: tuple[Projection, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._observations = Observations(self.ledger, self._touched)
        self._projections = (
            Snapshots(self.ledger, self._touched),
            Coverage(self.ledger, self._touched),
            Comparisons(self.ledger, self._touched),
            GenerationJumps(self.ledger),
            Withheld(self.ledger),
            Actions(self.ledger, self._touched),
            Notes(self.ledger),
            SealedOriginals(self.ledger, self._touched),
            Pods(self.ledger, self._touched),
            Revisions(self.ledger, self._touched),
            Refusals(self.ledger, self._touched),
            Rollouts(self.ledger, self._touched),
            Volumes(self.ledger, self._touched),
            Attributions(self.ledger, self._touched),
        )

    def verify_continuity(self) -> None:
        """The log is the one this ledger was folded from.

        Raises OtherCluster when its first record is of another cluster, LogTruncated when the last
        folded record is gone or is no longer the same.
        """
        before = self.ledger.progress()
        if before.position < 0:
            return
        first = self.log.read(NOWHERE, 1)
        if first:
            _refuse_other_log(first[0], before.cluster)
        last = self.log.read(Position(before.position - 1), 1)
        entry = self.ledger.row("fold/leaf", {"position": before.position})
        same = last and entry and hashlib.sha256(last[0].value).digest() == entry["entry"]
        if not same:
            raise LogTruncated(
                f"the log does not hold the record at position {before.position} "
                "that the ledger was folded from",
                hint="put the right log back, or move the ledger away and run "
                "`rollout-ledger rebuild`",
            )

    def is_outdated(self) -> bool:
        """Whether an earlier edition of the fold made this ledger."""
        row = self.ledger.row("fold/edition", {})
        return self.ledger.progress().position >= 0 and (row is None or row["fold"] != EDITION)

    def catch_up(self) -> int:
        """Fold everything the log holds; how many records that were."""
        folded = 0
        while batch := self.step():
            folded += batch
        return folded

    def step(self, limit: int = BATCH_RECORDS) -> int:
        """Fold the next batch, if there is one; how many records it had.

        Raises LogUnusable for a record of a newer format, LedgerBusy when another writer has been
        here; the ledger is then as it was before the call.
        """
        before = self.ledger.progress()
        records = self.log.read(before.position, limit)
        if not records:
            return 0
        try:
            with self.ledger.transaction():
                if before.position < 0:
                    self.ledger.run("fold/set_edition", {"edition": EDITION})
                self.ledger.advance(before, self._fold(records, before))
        except BaseException:
            self._observations.forget()
            for projection in self._projections:
                projection.forget()
            self._touched.clear()
            raise
        return len(records)

    def _fold(self, records: Sequence[Record], before: Progress) -> Progress:
        cluster, now = before.cluster, before.now
        entries = [hashlib.sha256(record.value).digest() for record in records]
        for record in records:
            document = self._take(record, cluster)
            if document is not None:
                cluster = cluster or document.source.removeprefix("/clusters/")
                now = max(now, _seen_until(document))
        self._touched.now = now
        self._settle()
        pairs = zip(records, entries, strict=True)
        self.ledger.insert("leaves", [(record.position, entry) for record, entry in pairs])
        return Progress(cluster, records[-1].position, now, before.tree.grown(entries))

    def _take(self, record: Record, cluster: str) -> Document | None:
        part = "observations"
        try:
            if record.damage:
                raise PoisonRecord(record.damage)
            document = parse(record.value)
            _refuse_other_cluster(document, cluster)
            observed = self._observations.observe(record, document)
            for projection in self._projections:
                part = type(projection).__name__.lower()
                projection.apply(observed)
        except PoisonRecord as poison:
            self.errors[part] += 1
            self._observations.reject(record, poison.message)
            return None
        return document

    def _settle(self) -> None:
        self._observations.settle()
        for projection in self._projections:
            projection.settle()
        if self._touched.baselines or self._touched.existence:
            # Deletions are inferred in SQL, behind the cache of objects.
            self._observations.forget()
        self._touched.clear()


def _seen_until(document: Document) -> str:
    """Until when the cluster was seen. A note says nothing of that: what stood still in the
    recording must not be taken for stuck because somebody spoke of it days later.
    """
    return "" if document.fact == "note" else document.time


def _refuse_other_cluster(document: Document, cluster: str) -> None:
    found = document.source.removeprefix("/clusters/")
    if cluster and found != cluster:
        raise PoisonRecord(f"a record of another cluster, {found}")


def _refuse_other_log(record: Record, cluster: str) -> None:
    try:
        found = parse(record.value).source.removeprefix("/clusters/")
    except PoisonRecord:
        return
    if cluster and found != cluster:
        raise OtherCluster(
            f"the log is of cluster {found}, the ledger of cluster {cluster}",
            hint="give each cluster its own --data folder",
        )
