"""Recorded streams as the records they become, and ledgers folded from them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from consumers.follow import BATCH_RECORDS, Follower
from ledger.log.memory import MemoryLog
from ledger.model import NOWHERE, Position, Record
from ledger.observe import Observer
from ledger.redaction import Policy, Redactor
from ledger.replay import replay
from ledger.sealed import Originals
from ledger.store import Ledger

KEY_ID, KEY = "0a1b2c3d", b"a key for tests: 32 bytes long.."


class Values:
    """A log of given values, as the fold reads it."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self._values = values

    def read(self, after: Position, limit: int) -> list[Record]:
        """Up to `limit` records above a position."""
        start = after + 1
        part = self._values[start : start + limit]
        return [Record(Position(start + i), value) for i, value in enumerate(part)]


@lru_cache
def values_of(
    path: Path,
    policy: Policy = "secrets",
    instance: str = "feed0001",
    originals: Originals | None = None,
) -> list[bytes]:
    """The records that a recording becomes on the real line."""

    def observer(cluster: str) -> Observer:
        return Observer(cluster, instance, Redactor(policy, KEY_ID, KEY), originals=originals)

    async def collect() -> list[bytes]:
        log = MemoryLog()
        await replay(path, log, observer)
        return [record.value for record in await log.read(NOWHERE, 1_000_000)]

    return asyncio.run(collect())


def folded(values: Sequence[bytes], path: Path, *, batch: int = BATCH_RECORDS) -> Path:
    """A ledger at `path`, folded from the values in batches of one size."""
    with Ledger.open(path) as ledger:
        follower = Follower(Values(values), ledger)
        while follower.step(batch):
            pass
    return path
