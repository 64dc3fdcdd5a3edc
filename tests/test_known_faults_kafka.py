"""What is known to be wrong with Kafka's client, by the number of its report, cannot hurt us."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from ledger.errors import LogTruncated, LogUnreachable
from ledger.log.address import parse_address
from ledger.log.kafka import KafkaLog, _consumer, _producer
from ledger.model import NOWHERE, Position
from tests.breaking import QUICKLY, cut_segment, proxied
from tests.lab.broker import Broker
from tests.lab.topics import Topics
from tests.proxy import Proxy
from tests.test_log_contract import all_records, fitting_topic, numbered, sealed
from tests.test_log_kafka import administrator, delete_records, opened, topic

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


async def client_of(make: Any) -> dict[str, Any]:
    """The settings that a client of aiokafka has in the end, whatever its defaults are."""
    client = make(parse_address("kafka://127.0.0.1:1/t"))
    try:
        return dict(vars(client))
    finally:
        await client.stop()


async def test_every_setting_whose_default_would_lose_records_is_given() -> None:
    producer = await client_of(_producer)
    sender = vars(producer["_sender"])
    assert (sender["_acks"], sender["_txn_manager"]) == (-1, None)
    consumer = await client_of(_consumer)
    assert {
        name: consumer[f"_{name}"]
        for name in ("group_id", "enable_auto_commit", "auto_offset_reset", "check_crcs")
    } == {
        "group_id": None,
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "check_crcs": True,
    }


@pytest.mark.parametrize("broker_is", ["dead", "silent"])
async def test_aiokafka_1101_sending_and_stopping_end_in_time_without_a_broker(
    own_broker: Broker, through_proxy: tuple[Proxy, str], broker_is: str
) -> None:
    proxy, address = through_proxy
    if broker_is == "dead":
        address = f"{await fitting_topic(own_broker)}?timeout=1"
    log = await KafkaLog.open(address)
    await log.append(sealed(b"0"))
    try:
        if broker_is == "dead":
            await asyncio.to_thread(own_broker.kill)
        else:
            proxy.silence()
        for _ in range(3):
            async with asyncio.timeout(4):
                with pytest.raises(LogUnreachable):
                    await log.append(sealed(b"1"))
        async with asyncio.timeout(4):
            await log.close()
    finally:
        proxy.heal()
        if broker_is == "dead":
            await asyncio.to_thread(own_broker.start)


async def test_aiokafka_1154_no_consumer_group_exists_that_could_be_stuck(
    own_broker: Broker,
) -> None:
    address = await fitting_topic(own_broker)
    async with opened(address) as log:
        await log.append(sealed(b"0"))
        assert await log.read(NOWHERE, 10) == numbered([b"0"])
        async with administrator(address) as admin:
            assert await admin.list_consumer_groups() == []


async def test_aiokafka_718_a_position_out_of_range_is_told_and_never_reset(
    own_broker: Broker,
) -> None:
    address = await fitting_topic(own_broker)
    async with opened(address) as log:
        await log.append(sealed(*(str(number).encode() for number in range(10))))
        await delete_records(address, before=5)
        for gone in (Position(0), Position(3), Position(20)):
            async with asyncio.timeout(5):
                with pytest.raises(LogTruncated):
                    await log.read(gone, 10)
        assert [each.position for each in await log.read(Position(4), 10)] == [5, 6, 7, 8, 9]


async def test_aiokafka_966_the_size_that_counts_is_the_compressed_one(own_broker: Broker) -> None:
    name = f"narrow-{uuid.uuid4().hex[:8]}"
    own_broker.create_topic(name, config={"max.message.bytes": "1048588"})
    narrow = f"kafka://{own_broker.address}/{name}"
    wide = await fitting_topic(own_broker)
    for address, value in ((narrow, b"pod " * 300_000), (wide, os.urandom(1_200_000))):
        async with opened(address) as log:
            await log.append(sealed(value))
            assert await all_records(log) == numbered([value])


async def test_aiokafka_leader_epoch_a_log_that_was_cut_and_filled_again_is_not_read_on(
    own_broker: Broker,
) -> None:
    address = await fitting_topic(own_broker)
    async with opened(address) as log, opened(address) as writer:
        for number in range(10):
            await writer.append(sealed(str(number).encode()))
        assert len(await log.read(NOWHERE, 100)) == 10

        def crash(batches: int) -> None:
            own_broker.kill()
            cut_segment(own_broker, topic(address), batches=batches)
            own_broker.start()

        # Nothing that was read is lost: reading goes on.
        await insist(writer, b"10")
        await insist(writer, b"11")
        await asyncio.to_thread(crash, 11)
        await insist(writer, b"other")
        values = [each.value for each in await log.read(Position(9), 100)]
        assert (values[0], values[-1]) == (b"10", b"other")
        # What was read is lost, and there are others in its place and behind it.
        await asyncio.to_thread(crash, 8)
        for _ in range(9):
            await insist(writer, b"another")
        with pytest.raises(LogTruncated, match="is not the one that was read"):
            await read_on(log, Position(9 + len(values)))


async def read_on(log: KafkaLog, after: Position) -> None:
    """Read, and once more if the client still tells of what was in between."""
    try:
        await log.read(after, 100)
    except LogUnreachable:
        await log.read(after, 100)


async def insist(log: KafkaLog, value: bytes) -> None:
    """Append until it is acknowledged."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            await log.append(sealed(value))
        except LogUnreachable:
            await asyncio.sleep(0.1)
        else:
            return


async def test_aiokafka_1151_nothing_is_a_transaction(own_broker: Broker) -> None:
    address = await fitting_topic(own_broker)
    async with opened(address) as log:
        for number in range(5):
            assert await log.append(sealed(b"x")) == number
        # A transaction's end would take a position of its own.
        assert (await log.head(), log._producer._txn_manager) == (4, None)
