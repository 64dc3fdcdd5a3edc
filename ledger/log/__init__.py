"""The log: an append-only sequence of records, chosen by its address.

`sqlite:///path/log.db` (the default), `kafka://host:9092/topic` and `memory:` keep the same
promises, and one contract suite holds them to it. Each lives in its own module, imported only when
it is chosen, so Kafka stays an extra.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ledger.envelope import Envelope
from ledger.errors import LogUnusable
from ledger.model import Position, Record


class Log(Protocol):
    """What every log can do. Positions grow; the first record of an empty log has position 0."""

    async def append(self, envelopes: Sequence[Envelope]) -> Position:
        """Keep the envelopes, in order, and return the last one's position.

        When the call returns the records survive a crash of any one machine part that the log
        promises to survive: power loss (sqlite), loss of a minority of in-sync replicas (kafka),
        nothing (memory). When it raises, some of them may have been kept: append them again, since
        identical records are absorbed by the readers. Raises LogUnreachable (worth another try) and
        LogUnusable (not).
        """

    async def read(self, after: Position, limit: int) -> list[Record]:
        """Up to `limit` records with positions above `after`, in order, verbatim; empty at the
        head.

        Raises LogTruncated when the record that should come next is gone.
        """

    async def head(self) -> Position:
        """The last record's position, NOWHERE for an empty log."""

    async def close(self) -> None:
        """Free what is held. Closing twice is allowed."""


async def open_log(address: str) -> Log:
    """The log at an address. Raises LogUnusable for an address or a log that cannot be used."""
    scheme, _, _ = address.partition(":")
    if scheme == "sqlite":
        from ledger.log.sqlite import SqliteLog

        return SqliteLog.open(sqlite_path(address))
    if scheme == "kafka":
        return await _open_kafka(address)
    if address == "memory:":
        from ledger.log.memory import MemoryLog

        return MemoryLog()
    raise unknown_address(address)


async def _open_kafka(address: str) -> Log:
    try:
        from ledger.log.kafka import KafkaLog
    except ModuleNotFoundError as missing:
        if missing.name != "aiokafka":
            raise
        raise LogUnusable(
            "Kafka support is not installed", hint="pip install 'rollout-ledger[kafka]'"
        ) from None
    return await KafkaLog.open(address)


def unknown_address(address: str) -> LogUnusable:
    """What to say of an address that no log has."""
    return LogUnusable(
        f"{address!r} is not a log's address",
        hint="use sqlite:///path/log.db or kafka://host:9092/topic",
    )


def sqlite_path(address: str) -> str:
    """`sqlite:///var/log.db` -> `/var/log.db`, `sqlite:///rel` stays absolute; `sqlite:log.db` is
    relative.
    """
    return address.removeprefix("sqlite:").removeprefix("//")
