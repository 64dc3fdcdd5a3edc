"""A consumer with a folder of its own: what a topic becomes in log.db and in a ledger.

The records that tests send are real ones, from the tutorial's recording, or numbered ones of one
watcher, so that the invariants have something to hold to.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consumers.consume import Consumed
from consumers.consume import consume as run
from ledger.envelope import Envelope
from ledger.errors import LogUnusable
from ledger.log.sqlite import LogFile
from ledger.settings import Settings
from tests.invariants import examine, values_of_log

CLUSTER = "c0ffee00-0000-4000-8000-000000000001"


@dataclass(frozen=True)
class Consumer:
    """A consumer of one topic."""

    data: Path
    address: str

    @property
    def settings(self) -> Settings:
        """Its installation."""
        return Settings(self.data, log=self.address)

    async def run(self, *, accept_loss: bool = False) -> Consumed:
        """Consume until the topic's head, as a process that starts and ends."""
        stop = asyncio.Event()
        return await run(self.settings, once=True, accept_loss=accept_loss, stop=stop)

    def values(self) -> list[bytes]:
        """What log.db holds."""
        return values_of_log(self.settings.log_file)

    def newest(self) -> bytes:
        """The last record of log.db, found without reading the others."""
        with LogFile.open(self.settings.log_file, writable=False) as log:
            return log.get(log.head())

    def gaps(self) -> list[dict[str, Any]]:
        """The gaps that the consumer itself wrote, without what is different every time."""
        own = (json.loads(value) for value in self.values() if b'"log-truncated"' in value)
        return [
            {k: v for k, v in document["data"].items() if k not in ("state", "topic")}
            for document in own
            if document["instance"].startswith("consumer-")
        ]

    def examine(self) -> None:
        """Assert the invariants for log.db and the ledger that was folded from it."""
        examine(self.settings.log_file, self.settings.ledger_path)

    def repeats(self) -> int:
        """How many records of the log the ledger knew already."""
        with closing(sqlite3.connect(self.settings.ledger_path)) as ledger:
            question = "select count(*) from observations where disposition = 'duplicate'"
            return int(ledger.execute(question).fetchone()[0])


def has(consumer: Consumer, count: int) -> bool:
    """Whether its log.db holds so many records."""
    with suppress(LogUnusable):  # It may be in the making.
        return consumer.settings.log_file.exists() and len(consumer.values()) >= count
    return False


def numbered_state(number: int, *, text: str = "", first: int = 1) -> bytes:
    """The state of a StatefulSet of its own, the watcher's record with this number."""
    uid = f"u-{number}"
    document = {
        "data": {
            "kind": "StatefulSet",
            "metadata": {"annotations": {"text": text}, "generation": 1, "name": f"web-{number}"},
            "spec": {"replicas": 1, "template": {"spec": {"containers": []}}},
        },
        "datacontenttype": "application/json",
        "epoch": 1,
        "id": f"{uid}/{number + 1}/0123456789abcdef",
        "instance": "feed0001",
        "objectuid": uid,
        "resourceversion": str(number + 1),
        "sequence": number + first,
        "source": f"/clusters/{CLUSTER}",
        "specversion": "1.0",
        "subject": f"apps/statefulsets/default/web-{number}",
        "time": "2026-11-01T00:00:00.000000Z",
        "type": "rollout-ledger.state.v1",
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def states(start: int, end: int) -> list[bytes]:
    """Numbered states, the first with number 0."""
    return [numbered_state(number) for number in range(start, end)]


def envelopes(values: Sequence[bytes]) -> list[Envelope]:
    """The values on their way to a log."""
    return [Envelope(f"id/{number}", value) for number, value in enumerate(values)]


def firsts(values: Sequence[bytes]) -> list[bytes]:
    """Every value once, where it stood first."""
    return list(dict.fromkeys(values))


def runs(values: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    """The values in runs of a size."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


async def until(true: Callable[[], bool], *, seconds: float = 60.0) -> None:
    """Return as soon as it is true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - others' doing, which no event tells
            await asyncio.sleep(0.05)
