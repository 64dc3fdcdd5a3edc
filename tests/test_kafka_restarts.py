"""Recording stays right while the broker is killed and started again, twenty times."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from consumers.consume import Consumed, consume
from ledger.outbox import Outbox
from ledger.pace import Pace
from tests.breaking import QUICKLY
from tests.consuming import Consumer, envelopes, firsts, has, states, until
from tests.lab.broker import Broker
from tests.lab.topics import Topics
from tests.test_log_contract import fitting_topic
from tests.test_log_kafka import opened

pytestmark = [pytest.mark.kafka, pytest.mark.acceptance]

RESTARTS = 20
AT_ONCE = 7
"""How many records are put at a time: some batches are whole when the broker dies, some are not."""


@pytest.mark.timeout(300)
async def test_what_was_put_is_archived_once_and_in_order_through_twenty_kills_of_the_broker(
    broker: Topics, tmp_path: Path
) -> None:
    with Broker(properties=QUICKLY) as running:
        consumer = Consumer(tmp_path, f"{await fitting_topic(running)}?timeout=2")
        put = await record_through_kills(running, consumer)
        found = consumer.values()
    assert firsts(found) == put
    assert_only_repeats(found, put)
    assert consumer.repeats() == len(found) - len(put)
    consumer.examine()


async def record_through_kills(broker: Broker, consumer: Consumer) -> list[bytes]:
    """Send, archive and fold while the broker dies again and again; what was sent."""
    stop = asyncio.Event()
    following = asyncio.create_task(
        consume(consumer.settings, once=False, accept_loss=False, stop=stop)
    )
    try:
        async with opened(consumer.address) as log:
            outbox = Outbox(log, Pace(sleep=impatiently))
            sending = asyncio.create_task(outbox.run())
            put = await put_through_kills(broker, outbox, sending, following, consumer)
            outbox.close()
            await asyncio.wait_for(sending, 60)
        await until(lambda: following.done() or consumer.newest() == put[-1])
        if following.done():
            await following
    finally:
        stop.set()
    await asyncio.wait_for(following, 30)
    return put


async def impatiently(seconds: float) -> None:
    """Wait between two tries as the product does, but never long: there are twenty kills to see."""
    await asyncio.sleep(min(seconds, 0.3))


async def put_through_kills(
    broker: Broker,
    outbox: Outbox,
    sending: asyncio.Task[None],
    following: asyncio.Task[Consumed],
    consumer: Consumer,
) -> list[bytes]:
    """Put records all the time, and end the broker whenever some of them have arrived."""
    chance = random.Random(4711)
    put: list[bytes] = []
    ended = asyncio.Event()

    async def put_all_the_time() -> None:
        while not ended.is_set():
            await outbox.room()
            more = states(len(put), len(put) + AT_ONCE)
            put.extend(more)
            for envelope in envelopes(more):
                outbox.put(envelope)
            await asyncio.sleep(0.03)

    putting = asyncio.create_task(put_all_the_time())
    # A consumer that finds no broker when it starts ends: it is to see the kills at work.
    await until(lambda: following.done() or has(consumer, 1))
    for _ in range(RESTARTS):
        before = outbox.appended
        await until(lambda: sending.done() or outbox.appended > before)  # noqa: B023
        assert not sending.done()
        assert not following.done()
        await asyncio.sleep(chance.uniform(0.0, 0.3))
        await asyncio.to_thread(broker.kill)
        await asyncio.to_thread(broker.start)
    ended.set()
    await putting
    return put


def assert_only_repeats(found: Sequence[bytes], put: Sequence[bytes]) -> None:
    """Whatever stands twice stands there as a run of records sent once more: the numbers only
    ever step back to where a batch began, and go on from there one by one."""
    numbers = {value: number for number, value in enumerate(put)}
    reached, expected = -1, 0
    for value in found:
        number = numbers[value]
        assert number == expected or number <= reached
        reached, expected = max(reached, number), number + 1
