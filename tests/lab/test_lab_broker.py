"""The broker behaves as the tests that stand on it assume."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.lab.broker import Broker
from tests.lab.process import LabError
from tests.lab.topics import Topics


async def test_a_topic_gives_back_what_was_appended(broker: Topics, topic: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=broker.address, acks="all") as producer:
        sent = await producer.send_and_wait(topic, b"first")
    assert sent.offset == 0
    assert await first_value(broker.address, topic) == b"first"


def test_a_topic_that_exists_is_not_made_again(broker: Topics, topic: str) -> None:
    with pytest.raises(LabError, match="TopicAlreadyExistsError"):
        broker.create_topic(topic)


async def test_a_killed_broker_keeps_its_port_and_its_records(broker: Topics) -> None:
    quickly = {"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500"}
    with Broker(properties=quickly) as separate:
        separate.create_topic("kept")
        async with AIOKafkaProducer(bootstrap_servers=separate.address, acks="all") as producer:
            await producer.send_and_wait("kept", b"first")
        separate.kill()
        separate.start()
        assert await first_value(separate.address, "kept") == b"first"


async def first_value(address: str, topic: str) -> bytes | None:
    """The value of the first record of the topic."""
    async with AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="none") as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        consumer.seek(partition, 0)
        record = await consumer.getone()
        return bytes(record.value) if record.value is not None else None
