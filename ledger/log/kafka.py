"""The log as a Kafka topic with one partition; positions are Kafka's offsets.

With brokers.py the only user of aiokafka, built around what was seen of it: with idempotence on it
hangs when a broker is lost, so that is off and one batch is in flight at a time; consumer groups
get stuck, so there is none; a lost broker looks like silence, so every wait has a deadline. After
an error its clients are thrown away and made anew. What a topic must be like is topic.py, talking
to its brokers brokers.py; copying it into log.db is consumers/archive.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.codec import zstd_encode
from aiokafka.errors import CorruptRecordException, OffsetOutOfRangeError

from ledger.envelope import Envelope
from ledger.errors import LogTruncated, LogUnreachable, LogUnusable
from ledger.log.address import TopicAddress, parse_address
from ledger.log.batches import batches
from ledger.log.brokers import (
    FAILURES,
    create,
    describe,
    identity,
    options,
    started,
    stop,
    translated,
)
from ledger.log.topic import MESSAGE_BYTES, Topic, alter_command, refuse_unfit
from ledger.model import Position, Record

IDENTITY_SECONDS = 1.0
"""How often the topic is asked who it is: too seldom to cost, too often to be deleted and refilled
unnoticed.
"""

IDENTITY_TRIES = 3
SESSION_SECONDS = 50.0
BATCH_BYTES = 512 * 1024
FETCH_BYTES = 2 * 1024 * 1024
"""How much is fetched at once, compressed. Kafka sends a larger record whole all the same."""

FETCH_MILLISECONDS = 50
"""How long a read waits at the head. A record that arrives meanwhile is answered at once."""

POLL_MILLISECONDS = FETCH_MILLISECONDS + 10
"""How long a read waits for the answer to such a fetch, so that one round tells the head."""

OVERHEAD_BYTES = 1024
"""What Kafka's batch and record headers add to a value, rounded up."""


class KafkaLog:
    """A topic as a Log. Use it from one event loop."""

    def __init__(self, address: TopicAddress, topic: Topic, producer: Any) -> None:
        """Takes what `open` has found fit."""
        self._address = address
        self._topic = topic
        self._place = TopicPartition(address.topic, 0)
        self._verified_at = time.monotonic()
        self._producer = producer
        self._consumer: Any = None
        self._next: int | None = None
        self._last: Record | None = None
        self._leadership = topic.id, -1
        self._appended = -1
        self._connecting = asyncio.Lock()
        self._appending = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._discarded: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, address: str) -> KafkaLog:
        """The log at `kafka://host:9092/topic`, after its topic was found fit to be one.

        Raises LogUnusable for a malformed address, a topic that does not exist, has several
        partitions or is compacted; LogUnreachable when no broker answers within 10 s.
        """
        parsed = parse_address(address)
        try:
            producer = await started(_producer(parsed), parsed)
            try:
                topic = await describe(producer.client, parsed)
                refuse_unfit(topic, parsed)
            except BaseException:
                await stop(producer, parsed)
                raise
        except FAILURES as wrong:
            raise translated(wrong, parsed) from wrong
        return cls(parsed, topic, producer)

    @classmethod
    async def create(cls, address: str, *, replication_factor: int = 1) -> None:
        """The topic exists when the call returns, made with the settings of a log unless it was
        there before.

        Raises LogUnusable when the brokers refuse to make it, LogUnreachable when none answers.
        """
        await create(parse_address(address), replication_factor=replication_factor)

    @property
    def topic_id(self) -> str:
        """What tells this topic from another of the same name."""
        return self._topic.id

    @property
    def limit_bytes(self) -> int:
        """The largest record, compressed, that the topic takes."""
        return self._topic.limit_bytes - OVERHEAD_BYTES

    async def append(self, envelopes: Sequence[Envelope]) -> Position:
        """As Log.append: acknowledged by all in-sync replicas, in order, one batch at a time.

        Raises LogUnreachable within 20 s when the brokers do not acknowledge, and LogUnusable,
        before anything is sent, for a record that the topic is too narrow for.
        """
        async with self._appending, self._session():
            self._refuse_too_large(envelopes)
            producer = await self._producing()
            for batch in batches(producer, envelopes):
                async with asyncio.timeout(2 * self._address.timeout_seconds):
                    sent = await producer.send_batch(batch, self._address.topic, partition=0)
                    self._appended = (await sent).offset + batch.record_count() - 1
        return Position(self._appended) if envelopes else await self.head()

    async def read(self, after: Position, limit: int) -> list[Record]:
        """As Log.read; waits up to 60 ms at the head. A record without a value reads as empty
        bytes.

        Raises LogTruncated when retention, a lost replica or a new topic of the same name took the
        next record, or the one before it, which was read: then the topic is not what it was.
        """
        async with self._reading, self._session():
            try:
                fetched = await self._settled(await self._consuming(), after, limit)
            except OffsetOutOfRangeError:
                raise await self._gone(await self._consuming(), after + 1) from None
            except TimeoutError:
                raise await self._withheld(await self._consuming(), after) from None
            self._next = fetched[-1].position + 1 if fetched else after + 1
            self._last = fetched[-1] if fetched else self._last
            return fetched

    async def head(self) -> Position:
        """As Log.head."""
        async with self._session():
            _, end = await self._bounds(await self._consuming())
        return Position(end - 1)

    async def beginning(self) -> Position:
        """The first position that the topic still holds; one above the head when it holds none."""
        async with self._session():
            begin, _ = await self._bounds(await self._consuming())
        return Position(begin)

    async def close(self) -> None:
        """As Log.close."""
        self._discard()
        if self._discarded:
            await asyncio.wait(self._discarded)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(SESSION_SECONDS):
                await self._verify_identity()
                yield
        except FAILURES as wrong:
            self._discard()
            raise translated(wrong, self._address) from wrong

    def _discard(self) -> None:
        """Let go of the clients. They stop beside us: one that lost its broker takes its time."""
        for client in (self._producer, self._consumer):
            if client is not None:
                task = asyncio.create_task(stop(client, self._address))
                self._discarded.add(task)
                task.add_done_callback(self._discarded.discard)
        self._producer = self._consumer = self._next = None

    async def _verify_identity(self, *, again_after_seconds: float = IDENTITY_SECONDS) -> None:
        now = time.monotonic()
        if now - self._verified_at < again_after_seconds:
            return
        producer = await self._producing()
        for _ in range(IDENTITY_TRIES):
            found, _ = await identity(producer.client, self._address)
            if found == self._topic.id:
                self._verified_at = now
                return
            # A broker that has just come back may know an older state of the cluster.
            await asyncio.sleep(IDENTITY_SECONDS)
        what = "was deleted and made again" if found else "was deleted"
        raise LogTruncated(
            f"topic {self._address.topic} {what} while it was in use",
            hint="start again: the archive then says what is missing",
        )

    async def _producing(self) -> Any:
        async with self._connecting:
            if self._producer is None:
                self._producer = await started(_producer(self._address), self._address)
            return self._producer

    async def _consuming(self) -> Any:
        async with self._connecting:
            if self._consumer is None:
                consumer = await started(_consumer(self._address), self._address)
                consumer.assign([self._place])
                consumer.seek(self._place, 0)
                self._consumer = consumer
            return self._consumer

    async def _settled(self, consumer: Any, after: Position, limit: int) -> list[Record]:
        """What comes after a position, and is known to follow what was read before.

        Kafka's client keeps its offset when a leader comes back without its last records, and when
        these are filled up with others it would go on behind them. A leader's return has a number:
        as soon as it changes, all is fetched again with the record before it, which must be the
        same.
        """
        while True:
            fetched = await self._fetch_from(consumer, after + 1, limit)
            if not fetched or await self._same_leadership():
                return fetched
            await self._verify_identity(again_after_seconds=0.0)
            last = self._last if self._last and self._last.position == after else None
            if last and await self._fetch_from(consumer, after, 1) != [last]:
                raise LogTruncated(
                    f"record {after} of topic {self._address.topic} is not the one that was read",
                    hint="its brokers lost acknowledged records, and got others since",
                )
            self._next = None

    async def _same_leadership(self) -> bool:
        producer, known = await self._producing(), self._leadership
        self._leadership = await identity(producer.client, self._address)
        return known == self._leadership

    async def _fetch_from(self, consumer: Any, start: int, limit: int) -> list[Record]:
        if self._next != start:
            consumer.seek(self._place, start)
        # Whatever goes wrong from here on, aiokafka may have moved: the next read seeks again.
        self._next = None
        fetched = await self._fetch(consumer, start, limit)
        return [Record(Position(each.offset), each.value or b"") for each in fetched]

    async def _fetch(self, consumer: Any, start: int, limit: int) -> list[Any]:
        answers, damages = 0, 0
        polled_at = consumer.last_poll_timestamp(self._place)
        async with asyncio.timeout(self._address.timeout_seconds):
            while True:
                try:
                    fetched = await consumer.getmany(
                        self._place, timeout_ms=POLL_MILLISECONDS, max_records=limit
                    )
                except CorruptRecordException:
                    # Once may be the network's fault. One by one the records before a damaged one
                    # are still to be had.
                    damages, limit = damages + 1, 1
                    if damages > 1:
                        raise
                    consumer.seek(self._place, start)
                    continue
                if fetched:
                    return list(fetched[self._place])
                if consumer.last_poll_timestamp(self._place) == polled_at:
                    continue
                polled_at, answers = consumer.last_poll_timestamp(self._place), answers + 1
                position = await consumer.position(self._place)
                # The first answer may have been under way while we appended, and not know of it.
                if consumer.highwater(self._place) <= position and (
                    answers > 1 or self._appended < position
                ):
                    return []

    async def _bounds(self, consumer: Any) -> tuple[int, int]:
        async with asyncio.timeout(self._address.timeout_seconds):
            begin = await consumer.beginning_offsets([self._place])
            end = await consumer.end_offsets([self._place])
        return begin[self._place], end[self._place]

    async def _gone(self, consumer: Any, wanted: int) -> LogUnusable:
        await self._verify_identity(again_after_seconds=0.0)
        begin, end = await self._bounds(consumer)
        topic = self._address.topic
        if wanted < begin:
            return LogTruncated(
                f"records {wanted} to {begin - 1} are gone from topic {topic}, "
                f"which now begins at {begin}",
                hint="its retention was shorter than the consumer's absence: "
                + alter_command(self._address, "retention.ms=-1"),
            )
        if wanted > end:
            return LogTruncated(
                f"topic {topic} ends at record {end - 1}, but record {wanted - 1} was read from it",
                hint="its brokers lost acknowledged records, or it was deleted and made again",
            )
        return LogUnreachable(f"topic {topic} changed its bounds while it was read: try again")

    async def _withheld(self, consumer: Any, after: Position) -> LogUnreachable:
        _, end = await self._bounds(consumer)
        if end - 1 <= after:
            return LogUnreachable(f"Kafka does not answer a read of topic {self._address.topic}")
        return LogUnreachable(
            f"topic {self._address.topic} ends at record {end - 1}, but its broker sends none "
            f"after {after}",
            hint="when this does not pass, look at the broker's own log: its disk may be failing",
        )

    def _refuse_too_large(self, envelopes: Sequence[Envelope]) -> None:
        limit = self.limit_bytes
        for envelope in envelopes:
            # Compressing to find out is dear, and hardly ever needed.
            if len(envelope.value) > limit and len(zstd_encode(envelope.value)) > limit:
                raise LogUnusable(
                    f"record {envelope.id} is larger than topic {self._address.topic} takes, "
                    f"{limit} bytes compressed",
                    hint=alter_command(self._address, f"max.message.bytes={MESSAGE_BYTES}"),
                )


def _producer(address: TopicAddress) -> Any:
    return AIOKafkaProducer(
        **options(address),
        acks="all",
        enable_idempotence=False,
        compression_type="zstd",
        max_batch_size=BATCH_BYTES,
    )


def _consumer(address: TopicAddress) -> Any:
    return AIOKafkaConsumer(
        **options(address),
        group_id=None,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_uncommitted",
        fetch_max_wait_ms=FETCH_MILLISECONDS,
        max_partition_fetch_bytes=FETCH_BYTES,
    )
