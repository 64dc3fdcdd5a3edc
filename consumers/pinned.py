"""The ledger as it was when the log ended at a position, for reports that pin one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from consumers.follow import Follower, Readable
from ledger.errors import NotRecorded
from ledger.model import Position, Record
from ledger.store import Ledger


@dataclass(frozen=True, slots=True)
class Until:
    """A log as it was when it ended at `last`."""

    log: Readable
    last: Position

    def read(self, after: Position, limit: int) -> list[Record]:
        """As Readable.read."""
        return [each for each in self.log.read(after, limit) if each.position <= self.last]


def fold_until(log: Readable, last: Position, path: Path) -> None:
    """A ledger at `path`, new, is what folding the log up to and with the record at `last` gives.

    Raises NotRecorded when the log holds no such record.
    """
    if [each.position for each in log.read(Position(last - 1), 1)] != [last]:
        raise NotRecorded(
            f"the log holds no record at position {last}",
            hint="a report's manifest.json names the position it was made at",
        )
    with Ledger.open(path) as ledger:
        Follower(Until(log, last), ledger).catch_up()
