"""A topic that is not what it was: the archive stops with the reason, and goes on only as told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from ledger.errors import LogTruncated, LogUnusable
from ledger.log.kafka import KafkaLog
from tests.breaking import QUICKLY, cut_segment, halted, keep_copy, put_back
from tests.consuming import Consumer, envelopes, has, runs, states, until
from tests.faults import row
from tests.lab.broker import Broker
from tests.lab.topics import Topics
from tests.test_log_contract import fitting_topic
from tests.test_log_kafka import delete_records, opened, server, topic

pytestmark = pytest.mark.kafka

HINT = (
    "copy the log.db of another consumer, or go on without them: `rollout-ledger consume "
    "--accept-loss` records a gap, and the roots of two consumers then differ"
)


@pytest.fixture(scope="module")
def own_broker(broker: Topics) -> Iterator[Broker]:
    """A broker whose data a test may change, beside the run's own, where one can be had."""
    with Broker(properties=QUICKLY) as running:
        yield running


@pytest.fixture
async def consumer(broker: Topics, tmp_path: Path) -> Consumer:
    """A consumer of a fitting topic of its own on the run's broker."""
    return Consumer(tmp_path / "data", await fitting_topic(broker))


@pytest.fixture
async def breakable(own_broker: Broker, tmp_path: Path) -> Consumer:
    """A consumer of a fitting topic of its own on a broker that may be broken."""
    return Consumer(tmp_path / "data", f"{await fitting_topic(own_broker)}?timeout=5")


async def append(consumer: Consumer, start: int, end: int, *, size: int = 5) -> None:
    """Append numbered states, in batches of a size."""
    async with opened(consumer.address) as log:
        for values in runs(states(start, end), size):
            await log.append(envelopes(values))


async def refusal(consumer: Consumer) -> str:
    """The sentence with which a consumer stops; what it had stays as it was, and is sound."""
    before = consumer.values()
    with pytest.raises(LogTruncated) as wrong:
        await consumer.run()
    assert (wrong.value.hint, consumer.values()) == (HINT, before)
    consumer.examine()
    return wrong.value.message


@contextlib.asynccontextmanager
async def following(consumer: Consumer) -> AsyncIterator[asyncio.Task[object]]:
    """A consumer that stays, beside the block."""
    from consumers.consume import consume

    stop = asyncio.Event()
    task: asyncio.Task[object] = asyncio.create_task(
        consume(consumer.settings, once=False, accept_loss=False, stop=stop)
    )
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait([task])


async def archived(consumer: Consumer, count: int) -> None:
    """Return when log.db holds so many records."""
    await until(lambda: has(consumer, count))


@row("K7", how="topic deleted and made again between two runs", part="real")
async def test_k07_a_topic_made_again_stops_the_consumer_and_is_never_read_from_its_beginning(
    broker: Topics, consumer: Consumer
) -> None:
    await append(consumer, 0, 10)
    await consumer.run()
    broker.delete_topic(topic(consumer.address))
    await KafkaLog.create(consumer.address)
    await append(consumer, 0, 20)
    expected = "the topic was deleted and made again since the archive read it"
    assert await refusal(consumer) == expected
    await consumer.run(accept_loss=True)
    assert consumer.gaps() == [
        {"cause": "log-truncated", "reason": "topic-replaced", "first_lost": 10, "resumes_at": 0}
    ]
    gap = consumer.values()[10]
    assert consumer.values() == [*states(0, 10), gap, *states(0, 20)]
    consumer.examine()


@row("K7", how="topic deleted and made again while it is read", part="real")
async def test_k07_a_running_consumer_stops_when_its_topic_is_made_again(
    broker: Topics, consumer: Consumer
) -> None:
    await append(consumer, 0, 10)
    async with following(consumer) as running:
        await archived(consumer, 10)
        broker.delete_topic(topic(consumer.address))
        await KafkaLog.create(consumer.address)
        await append(consumer, 100, 120)
        with pytest.raises(LogTruncated, match="was deleted and made again while it was in use"):
            await asyncio.wait_for(running, 30)
    assert consumer.values() == states(0, 10)
    consumer.examine()


@row("K7", how="topic deleted while it is read", part="real")
async def test_k07_a_running_consumer_stops_when_its_topic_is_deleted(
    broker: Topics, consumer: Consumer
) -> None:
    await append(consumer, 0, 10)
    async with following(consumer) as running:
        await archived(consumer, 10)
        broker.delete_topic(topic(consumer.address))
        with pytest.raises(LogTruncated, match="was deleted while it was in use"):
            await asyncio.wait_for(running, 60)
    with pytest.raises(LogUnusable, match="there is no topic"):
        await consumer.run()
    assert consumer.values() == states(0, 10)
    consumer.examine()


@row("K8", how="segment file of a killed broker cut behind its second batch", part="real")
async def test_k08_a_lost_tail_stops_the_consumer_and_goes_on_behind_a_gap_when_that_is_accepted(
    own_broker: Broker, breakable: Consumer
) -> None:
    await append(breakable, 0, 20)
    await breakable.run()

    def lose() -> None:
        own_broker.kill()
        cut_segment(own_broker, topic(breakable.address), batches=2)
        own_broker.start()

    await asyncio.to_thread(lose)
    expected = "record 19 of the topic is gone, or not the one that was archived"
    assert await refusal(breakable) == expected
    await breakable.run(accept_loss=True)
    assert breakable.gaps() == [
        {"cause": "log-truncated", "reason": "overwritten", "first_lost": 19, "resumes_at": 0}
    ]
    await append(breakable, 20, 25)
    await breakable.run()
    gap = breakable.values()[20]
    assert breakable.values() == [*states(0, 20), gap, *states(0, 10), *states(20, 25)]
    breakable.examine()


@row("K8", how="broker killed, its segment cut and started again while it is read", part="real")
async def test_k08_a_running_consumer_notices_that_the_tail_is_lost(
    own_broker: Broker, breakable: Consumer
) -> None:
    await append(breakable, 0, 20)

    def lose() -> None:
        own_broker.kill()
        cut_segment(own_broker, topic(breakable.address), batches=2)
        own_broker.start()

    async with following(breakable) as running:
        await archived(breakable, 20)
        await asyncio.to_thread(lose)
        with pytest.raises(LogTruncated, match="record 19 of the topic is gone"):
            await asyncio.wait_for(running, 60)
    assert breakable.values() == states(0, 20)
    breakable.examine()


@row("K9", how="broker's data put back from an older copy, then filled again", part="real")
async def test_k09_a_tail_that_was_lost_and_filled_past_our_position_is_noticed(
    own_broker: Broker, breakable: Consumer
) -> None:
    await append(breakable, 0, 10)
    with halted(own_broker):
        copy = keep_copy(own_broker)
    await append(breakable, 10, 20)
    await breakable.run()
    with halted(own_broker):
        put_back(own_broker, copy)
    await append(breakable, 20, 60)
    expected = "record 19 of the topic is gone, or not the one that was archived"
    assert await refusal(breakable) == expected
    await breakable.run(accept_loss=True)
    gap = breakable.values()[20]
    assert breakable.values() == [*states(0, 20), gap, *states(0, 10), *states(20, 60)]
    breakable.examine()


@row("K9", how="segment cut and filled past the reader within its patience", part="real")
async def test_k09_a_running_consumer_notices_a_tail_that_was_lost_and_filled_again_at_once(
    own_broker: Broker, breakable: Consumer
) -> None:
    await append(breakable, 0, 20)

    def lose() -> None:
        own_broker.kill()
        cut_segment(own_broker, topic(breakable.address), batches=2)
        own_broker.start()

    patient = Consumer(breakable.data, breakable.address.replace("timeout=5", "timeout=60"))
    async with following(patient) as running:
        await archived(patient, 20)
        await asyncio.to_thread(lose)
        await append(breakable, 20, 60, size=40)
        with pytest.raises(LogTruncated, match="record 19 of the topic is gone"):
            await asyncio.wait_for(running, 60)
    assert patient.values() == states(0, 20)
    patient.examine()


@row("K10", how="delete_records past the reader", part="real")
async def test_k10_retention_that_overtook_the_consumer_is_told_with_the_range_that_is_gone(
    consumer: Consumer,
) -> None:
    await append(consumer, 0, 10)
    await consumer.run()
    await append(consumer, 10, 30)
    await delete_records(consumer.address, before=17)
    assert await refusal(consumer) == "records 10 to 16 are gone: the topic begins at 17"
    await consumer.run(accept_loss=True)
    assert consumer.gaps() == [
        {"cause": "log-truncated", "reason": "retention", "first_lost": 10, "resumes_at": 17}
    ]
    gap = consumer.values()[10]
    assert consumer.values() == [*states(0, 10), gap, *states(17, 30)]
    consumer.examine()


@row("K10", how="delete_records past a running reader", part="real")
async def test_k10_retention_takes_nothing_from_what_is_copied(consumer: Consumer) -> None:
    await append(consumer, 0, 10)
    await consumer.run()
    await delete_records(consumer.address, before=10)
    await append(consumer, 10, 20)
    await consumer.run()
    assert (consumer.values(), consumer.gaps()) == (states(0, 20), [])
    consumer.examine()


@row(
    "K11", how="transaction marker of a foreign producer stands where a record should", part="real"
)
async def test_k11_a_hole_of_offsets_stops_the_consumer_behind_the_records_before_it(
    consumer: Consumer,
) -> None:
    await append(consumer, 0, 3)
    await leave_a_hole(consumer.address, states(3, 4)[0])
    await append(consumer, 4, 7)
    with pytest.raises(LogTruncated) as wrong:
        await consumer.run()
    assert wrong.value.message == "records 4 to 4 are missing from the middle of the topic"
    assert await refusal(consumer) == wrong.value.message
    assert consumer.values() == states(0, 4)
    await consumer.run(accept_loss=True)
    assert consumer.gaps() == [
        {"cause": "log-truncated", "reason": "hole", "first_lost": 4, "resumes_at": 5}
    ]
    gap = consumer.values()[4]
    assert consumer.values() == [*states(0, 4), gap, *states(4, 7)]
    consumer.examine()


async def leave_a_hole(address: str, value: bytes) -> None:
    """A record in a transaction: its end takes an offset and is no record."""
    foreign = AIOKafkaProducer(
        bootstrap_servers=server(address), transactional_id=f"foreign-{topic(address)}"
    )
    async with foreign, foreign.transaction():
        await foreign.send_and_wait(topic(address), value)
    async with opened(address) as log, asyncio.timeout(10):
        while await log.head() < 4:
            continue  # The brokers mark a transaction's end a little after they confirm it.


@row("K11", how="acknowledged records lost and their offsets given to others", part="real")
async def test_k11_acknowledged_records_that_vanish_before_they_are_read_are_a_hole_in_the_count(
    own_broker: Broker, breakable: Consumer
) -> None:
    await append(breakable, 0, 10)
    await breakable.run()
    await append(breakable, 10, 20)

    def lose() -> None:
        own_broker.kill()
        cut_segment(own_broker, topic(breakable.address), batches=3)
        own_broker.start()

    await asyncio.to_thread(lose)
    await append(breakable, 20, 30)
    await breakable.run()
    assert breakable.values() == [*states(0, 15), *states(20, 30)]
    breakable.examine()
