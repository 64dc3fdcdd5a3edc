"""Copies a topic into log.db, byte for byte, so that Kafka may forget what it held.

Every record goes in with its offset and the topic's id, in one transaction, so a crash at any
instant leaves it copied or not begun. Kafka itself promises a reader little: retention may overtake
it, a broker may come back without its last records, a topic may be deleted and filled again. So the
archive looks back before it goes on: the record it copied last must still be there, and still the
same. Folding what was copied is left to follow.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ledger.errors import LogTruncated, LogUnusable
from ledger.log.sqlite import Archived, LogFile, Origin
from ledger.model import NOWHERE, Position, Record

BATCH_RECORDS = 500
CAUSE = "log-truncated"


class Source(Protocol):
    """A topic, as much of it as the archive needs."""

    @property
    def topic_id(self) -> str:
        """What tells this topic from another of the same name."""

    async def read(self, after: Position, limit: int) -> list[Record]:
        """Up to `limit` records above a position. Raises LogTruncated when the next one is gone."""

    async def beginning(self) -> Position:
        """The first position that the topic still holds."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Records that the topic should hold and does not: why, the first of them, and where reading
    can go on.
    """

    reason: str
    sentence: str
    first_lost: int
    resumes_at: int


class Archive:
    """Copies a topic into a log file; when another process does the same, one of them stops."""

    def __init__(
        self,
        topic: Source,
        file: LogFile,
        *,
        gap: Callable[[str, Mapping[str, Any]], bytes],
        accept_loss: bool = False,
    ) -> None:
        """`gap` makes the record of a gap from its cause and details; it is written when a loss is
        accepted.
        """
        self._topic = topic
        self._file = file
        self._gap = gap
        self._accept_loss = accept_loss
        self._next: int | None = None
        self._head = NOWHERE

    async def catch_up(self, limit: int = BATCH_RECORDS) -> int:
        """Copy the topic's next records, up to `limit`; how many that were, 0 at the topic's head.

        Raises LogTruncated, naming what is gone, when records were lost (with `accept_loss` it goes
        on after writing a gap), LogUnreachable when the brokers do not answer, LogUnusable when the
        file is an embedded log or another process archives into it. Whatever it raises, the next
        call goes on from the last record that was copied.
        """
        start, self._next = self._next, None
        if start is None:
            start = await self._resume()
        try:
            records = await self._topic.read(Position(start - 1), limit)
        except LogTruncated:
            start = await self._resume()
            records = await self._topic.read(Position(start - 1), limit)
        if records and records[0].position > start:
            start = await self._survive(_hole(start, records[0].position))
        copied = list(_consecutive(records, start))
        await self._write(
            [(each.value, Origin(self._topic.topic_id, each.position)) for each in copied]
        )
        self._next = start + len(copied)
        return len(copied)

    async def _resume(self) -> int:
        newest = await asyncio.to_thread(self._file.newest)
        self._head = newest.record.position if newest else NOWHERE
        expected = _expected(newest)
        loss = await self._loss(newest, expected)
        return await self._survive(loss) if loss else expected

    async def _loss(self, newest: Archived | None, expected: int) -> Loss | None:
        begin = await self._topic.beginning()
        if newest and newest.origin.topic_id != self._topic.topic_id:
            return Loss(
                "topic-replaced",
                "the topic was deleted and made again since the archive read it",
                expected,
                begin,
            )
        if begin > expected:
            return Loss(
                "retention",
                f"records {expected} to {begin - 1} are gone: the topic begins at {begin}",
                expected,
                begin,
            )
        if newest is None or begin == expected:
            return None
        if not await self._holds(newest, expected):
            return Loss(
                "overwritten",
                f"record {expected - 1} of the topic is gone, or not the one that was archived",
                expected - 1,
                begin,
            )
        return None

    async def _holds(self, newest: Archived, expected: int) -> bool:
        """Whether what was copied last is still there, and still the same."""
        if newest.record.damage:
            raise LogUnusable(
                f"the last record of {self._file.path} cannot be compared with the topic: "
                f"{newest.record.damage}",
                hint="put a backup of the file in its place",
            )
        # Behind a gap of our own there is nothing to compare, but the topic must reach that far.
        last = expected if newest.origin.offset is None else expected - 1
        try:
            found = await self._topic.read(Position(last - 1), 1)
        except LogTruncated:
            return await self._topic.beginning() == expected
        if newest.origin.offset is None:
            return True
        return bool(found) and found[0] == Record(Position(last), newest.record.value)

    async def _survive(self, loss: Loss) -> int:
        """Write a gap and go on behind it, when that is accepted. Raises LogTruncated otherwise."""
        if not self._accept_loss:
            raise LogTruncated(
                loss.sentence,
                hint="copy the log.db of another consumer, or go on without them: "
                "`rollout-ledger consume --accept-loss` records a gap, and the roots of two "
                "consumers then differ",
            )
        details = {
            "reason": loss.reason,
            "topic": self._topic.topic_id,
            "first_lost": loss.first_lost,
            "resumes_at": loss.resumes_at,
        }
        origin = Origin(self._topic.topic_id, None, loss.resumes_at)
        await self._write([(self._gap(CAUSE, details), origin)])
        return loss.resumes_at

    async def _write(self, entries: Sequence[tuple[bytes, Origin]]) -> None:
        if entries:
            self._head = await asyncio.to_thread(self._file.archive, entries, head=self._head)


def _expected(newest: Archived | None) -> int:
    if newest is None:
        return 0
    if newest.origin.offset is None:
        return newest.origin.resumes_at or 0
    return newest.origin.offset + 1


def _consecutive(records: Sequence[Record], start: int) -> Iterator[Record]:
    for offset, record in enumerate(records, start):
        if record.position != offset:
            return
        yield record


def _hole(expected: int, found: int) -> Loss:
    # Transactions leave such holes too, but ours has none, and from outside they cannot be told
    # from lost records.
    return Loss(
        "hole",
        f"records {expected} to {found - 1} are missing from the middle of the topic",
        expected,
        found,
    )
