"""What becomes of records when brokers fail while they are sent."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from base64 import b85encode
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from ledger.envelope import Envelope
from ledger.errors import LogUnreachable, LogUnusable
from ledger.log.kafka import KafkaLog
from ledger.outbox import Outbox
from tests.breaking import QUICKLY, proxied
from tests.consuming import Consumer, envelopes, firsts, numbered_state, states, until
from tests.faults import row
from tests.lab.broker import Broker, brokers
from tests.lab.topics import Topics
from tests.proxy import Proxy
from tests.test_log_contract import all_records, fitting_topic
from tests.test_log_kafka import opened

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def own_broker(broker: Topics) -> Iterator[Broker]:
    """A broker that a test may kill, beside the run's own, where one can be had."""
    with Broker(properties=QUICKLY) as running:
        yield running


@pytest.fixture
async def through_proxy(broker: Topics) -> AsyncIterator[tuple[Proxy, str]]:
    """A topic on a broker that is reached through a proxy alone."""
    async with proxied() as (proxy, address, _):
        yield proxy, address


@row("K1", how="the only broker killed, and started again after two tries", part="real")
async def test_k01_with_all_brokers_down_a_send_ends_in_time_and_is_sent_again_in_order(
    own_broker: Broker, tmp_path: Path
) -> None:
    address = f"{await fitting_topic(own_broker)}?timeout=2"
    async with opened(address) as log:
        await log.append(envelopes(states(0, 3)))
        await asyncio.to_thread(own_broker.kill)
        batch = envelopes(states(3, 6))
        for _ in range(2):
            async with asyncio.timeout(2 * 2 + 1):
                with pytest.raises(LogUnreachable) as wrong:
                    await log.append(batch)
            assert wrong.value.message.startswith(f"Kafka at {own_broker.address} does not answer")
        await asyncio.to_thread(own_broker.start)
        await insist(log, batch)
        await log.append(envelopes(states(6, 9)))
        started = time.monotonic()
        await log.close()
    assert time.monotonic() - started < 4
    consumer = Consumer(tmp_path, address)
    await consumer.run()
    assert firsts(consumer.values()) == states(0, 9)
    consumer.examine()


async def insist(log: KafkaLog, batch: list[Envelope]) -> None:
    """Append until it is acknowledged, as the watcher does."""
    while True:
        try:
            await log.append(batch)
        except LogUnreachable:
            await asyncio.sleep(0.1)
        else:
            return


@row("K2", how="proxy swallows the acknowledgement", part="real")
async def test_k02_a_lost_acknowledgement_makes_duplicates_in_the_log_and_none_in_the_ledger(
    through_proxy: tuple[Proxy, str], tmp_path: Path
) -> None:
    proxy, address = through_proxy
    async with opened(address) as log:
        await log.append(envelopes(states(0, 1)))
        proxy.swallow_answers()
        with pytest.raises(LogUnreachable):
            await log.append(envelopes(states(1, 3)))
        proxy.heal()
        await insist(log, envelopes(states(1, 3)))
        await insist(log, envelopes(states(3, 4)))
    consumer = Consumer(tmp_path, address)
    await consumer.run()
    values = consumer.values()
    assert values[0] == states(0, 1)[0]
    assert values[1:-1] == states(1, 3) * (len(values[1:-1]) // 2)
    assert values[-1] == states(3, 4)[0]
    assert consumer.repeats() == len(values) - 4 > 0
    consumer.examine()


@row("K3", how="proxy holds the first request back until its repetition is kept", part="real")
async def test_k03_a_late_original_behind_its_repetition_counts_once(
    through_proxy: tuple[Proxy, str], tmp_path: Path
) -> None:
    proxy, address = through_proxy
    async with opened(address) as log:
        await log.append(envelopes(states(0, 1)))
        proxy.hold_requests()
        with pytest.raises(LogUnreachable):
            await log.append(envelopes(states(1, 2)))
        proxy.let_new_pass()
        await insist(log, envelopes(states(1, 2)))
        await insist(log, envelopes(states(2, 3)))
        proxy.heal()
        async with asyncio.timeout(10):
            while await log.head() < 3:
                continue
        values = [each.value for each in await all_records(log)]
    first, a, b = states(0, 3)
    assert values == [first, a, b, a]
    consumer = Consumer(tmp_path, address)
    await consumer.run()
    assert (consumer.values(), consumer.repeats()) == (values, 1)
    consumer.examine()


@row("K4", how="min.insync.replicas is 3: one of three brokers killed, then two", part="real")
@pytest.mark.timeout(180)
async def test_k04_too_few_replicas_acknowledge_nothing_and_recording_recovers(
    broker: Topics, tmp_path: Path
) -> None:
    three = await asyncio.to_thread(brokers, 3, **QUICKLY)
    try:
        await asyncio.to_thread(three[0].create_topic, "t", config={"min.insync.replicas": "3"})
        address = f"kafka://{','.join(each.address for each in three)}/t?timeout=3"
        async with opened(address) as log:
            outbox = Outbox(log, limit_records=10)
            running = asyncio.create_task(outbox.run())
            put(outbox, 0, 5)
            await until(lambda: outbox.appended == 5)
            await starve(outbox, three[:1], 5, 20)
            await starve(outbox, three[1:], 20, 35)
            outbox.close()
            await running
        consumer = Consumer(tmp_path, address)
        await consumer.run()
        assert firsts(consumer.values()) == states(0, 35)
        consumer.examine()
    finally:
        for each in three:
            await asyncio.to_thread(each.stop)


async def starve(outbox: Outbox, some: Sequence[Broker], start: int, end: int) -> None:
    """Kill some brokers, queue records that find too few replicas, and start the brokers again."""
    for each in some:
        await asyncio.to_thread(each.kill)
    put(outbox, start, start + 3)
    await until(lambda: outbox.refusal != "")
    if len(some) == 1:
        # The controllers have still a majority, and can tell that a replica is gone.
        await until(lambda: "fewer in-sync replicas than min.insync" in outbox.refusal)
    put(outbox, start + 3, end)
    assert (outbox.appended, outbox.is_full) == (start, True)
    for each in some:
        await asyncio.to_thread(each.start, wait=False)
    await until(lambda: outbox.appended == end)


def put(outbox: Outbox, start: int, end: int) -> None:
    """Queue numbered states."""
    for envelope in envelopes(states(start, end)):
        outbox.put(envelope)


@row("K5", how="1.1 MB of noise for a topic that takes 1 MB", part="real")
async def test_k05_a_record_larger_than_the_topic_takes_is_refused_before_it_is_sent(
    broker: Topics, tmp_path: Path
) -> None:
    name = f"narrow-{uuid.uuid4().hex[:8]}"
    broker.create_topic(name, config={"max.message.bytes": "1048588"})
    address = f"kafka://{broker.address}/{name}"
    noise = numbered_state(1, text=b85encode(os.urandom(1_100_000)).decode())
    async with opened(address) as log:
        await log.append(envelopes(states(0, 1)))
        with pytest.raises(LogUnusable) as wrong:
            await log.append(envelopes([*states(1, 2), noise, *states(2, 3)]))
        assert wrong.value.message == (
            f"record id/1 is larger than topic {name} takes, 1047564 bytes compressed"
        )
        assert await log.head() == 0
    consumer = Consumer(tmp_path, address)
    await consumer.run()
    assert consumer.values() == states(0, 1)
    consumer.examine()


@row("K6", how="8 MB of repetitive text in one object, a topic that takes 1 MB", part="real")
async def test_k06_a_compressible_object_of_eight_megabytes_passes(
    broker: Topics, tmp_path: Path
) -> None:
    name = f"narrow-{uuid.uuid4().hex[:8]}"
    broker.create_topic(name, config={"max.message.bytes": "1048588"})
    address = f"kafka://{broker.address}/{name}"
    values = [*states(0, 1), numbered_state(1, text="pod " * 2_080_000), *states(2, 3)]
    assert 8_000_000 < len(values[1]) < 8 * 1024 * 1024
    async with opened(address) as log:
        await log.append(envelopes(values))
    consumer = Consumer(tmp_path, address)
    await consumer.run()
    assert consumer.values() == values
    consumer.examine()
