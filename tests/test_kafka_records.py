"""What a topic may hold, and which topics are none for us: told to whoever writes and reads."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import uuid
from base64 import b85encode
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from ledger.envelope import Envelope
from ledger.errors import LogUnusable
from ledger.model import KIND_BY_PLURAL, utc_now
from ledger.observe import Observer
from ledger.record import Target, record
from ledger.settings import Settings
from tests.consuming import CLUSTER, Consumer, envelopes, states
from tests.fake_api import FakeApi
from tests.faults import row
from tests.invariants import examine
from tests.lab.topics import Topics
from tests.test_log_contract import fitting_topic
from tests.test_log_kafka import opened, server, topic
from tests.watching import observer

pytestmark = pytest.mark.kafka


@pytest.fixture
async def consumer(broker: Topics, tmp_path: Path) -> Consumer:
    """A consumer of a fitting topic of its own."""
    return Consumer(tmp_path / "data", await fitting_topic(broker))


async def refused(
    broker: Topics, folder: Path, *, partitions: int = 1, config: Mapping[str, str]
) -> set[str]:
    """What a consumer and a watcher say of a topic; neither has written anything."""
    name = f"unfit-{uuid.uuid4().hex[:8]}"
    broker.create_topic(name, partitions=partitions, config=config)
    consumer = Consumer(folder / "data", f"kafka://{broker.address}/{name}")
    api = FakeApi()
    await api.start()
    target = Target(kubeconfig=str(api.kubeconfig(folder)))
    settings = Settings(folder / "watcher", log=consumer.address)
    sentences = set()
    try:
        for run in (consumer.run(), record(settings, target, asyncio.Event())):
            with pytest.raises(LogUnusable) as wrong:
                await run
            sentences.add(wrong.value.message.replace(name, "t"))
    finally:
        await api.stop()
    assert not consumer.settings.log_file.exists()
    producer = AIOKafkaProducer(bootstrap_servers=broker.address)
    async with producer:
        sent = await producer.send_and_wait(name, b"the first", key=b"k", partition=0)
    assert sent.offset == 0
    examine([])
    return sentences


@row("K12", how="topic made with cleanup.policy=compact", part="real")
@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
async def test_k12_a_compacted_topic_is_refused_by_watcher_and_consumer(
    broker: Topics, tmp_path: Path, policy: str
) -> None:
    assert await refused(broker, tmp_path, config={"cleanup.policy": policy}) == {
        f"topic t has cleanup.policy={policy}: compaction deletes history"
    }


@row("K13", how="topic made with two partitions", part="real")
async def test_k13_a_topic_of_two_partitions_is_refused_by_watcher_and_consumer(
    broker: Topics, tmp_path: Path
) -> None:
    assert await refused(broker, tmp_path, partitions=2, config={}) == {
        "topic t has 2 partitions, and a log has one: across several there is no order"
    }


@row("K14", how="record of a later format in the topic", part="real")
async def test_k14_a_format_of_the_future_stops_the_consumer_and_is_read_after_an_upgrade(
    consumer: Consumer,
) -> None:
    future = states(3, 4)[0].replace(b"rollout-ledger.state.v1", b"rollout-ledger.state.v99")
    async with opened(consumer.address) as log:
        await log.append(envelopes(states(0, 3)))
        await consumer.run()
        await log.append(envelopes([future, *states(4, 6)]))
    for _ in range(2):
        with pytest.raises(LogUnusable) as wrong:
            await consumer.run()
        assert wrong.value.exit_code == 1
        assert wrong.value.message == (
            "the log holds a record of type rollout-ledger.state.v99, "
            "which this release does not know"
        )
    assert consumer.values() == [*states(0, 3), future, *states(4, 6)]
    examine(states(0, 3), consumer.settings.ledger_path)


@row("K15", how="attributes added to records in the topic", part="real")
async def test_k15_unknown_attributes_are_kept_byte_for_byte(consumer: Consumer) -> None:
    attributes = b'{"futureattribute": {"b":1,"a":[ 2 ]},'
    values = [attributes + value[1:] for value in states(0, 3)]
    async with opened(consumer.address) as log:
        await log.append(envelopes(values))
    await consumer.run()
    assert consumer.values() == values
    assert rejects(consumer) == []
    consumer.examine()


@row("K16", how="poison sent to the topic by another producer", part="real")
async def test_k16_poison_in_the_topic_is_kept_and_the_next_record_goes_on(
    consumer: Consumer,
) -> None:
    good = states(0, 8)
    poison = [
        os.urandom(300),
        b"\x28\xb5\x2f\xfd" + os.urandom(60),
        states(9, 10)[0][:-20],
        json.dumps(deep(120)).encode(),
        good[0][:-1] + b',"id":"another"}',
        b'{"specversion":NaN}',
        b'{"specversion":"\\ud800"}',
        None,
    ]
    place = topic(consumer.address)
    async with AIOKafkaProducer(bootstrap_servers=server(consumer.address)) as producer:
        for one, other in zip(good, poison, strict=True):
            await producer.send_and_wait(place, one, partition=0)
            await producer.send_and_wait(place, other, key=b"k", partition=0)
    await consumer.run()
    assert consumer.values()[::2] == good
    assert consumer.values()[1::2] == [value or b"" for value in poison]
    assert [position for position, _ in rejects(consumer)] == list(range(1, 16, 2))
    assert all(reason for _, reason in rejects(consumer))
    consumer.examine()


def deep(levels: int) -> object:
    """Objects inside each other."""
    nested: object = 1
    for _ in range(levels):
        nested = {"a": nested}
    return nested


def rejects(consumer: Consumer) -> list[tuple[int, str]]:
    """The records that could not be read, and why."""
    with closing(sqlite3.connect(consumer.settings.ledger_path)) as ledger:
        return ledger.execute("select position, reason from rejects order by position").fetchall()


@row("K5", how="9 MB object, and 8 MB of noise, seen by an observer", part="real")
async def test_k05_an_object_larger_than_any_record_is_known_by_its_digest_alone(
    consumer: Consumer,
) -> None:
    seeing = observer(cluster=CLUSTER)
    noise = b85encode(os.urandom(6_400_000)).decode()
    seen = [
        state_of(seeing, "largest", noise[: 8 * 1024 * 1024 - 70_000]),
        state_of(seeing, "larger", "x" * 9_000_000),
    ]
    values = [each.value for each in seen if each]
    assert len(values[0]) > 7_900_000
    larger = json.loads(values[1])
    assert (larger["withheld"], larger["withheldbytes"] > 9_000_000) == ("too-large", True)
    assert "data" not in larger
    async with opened(consumer.address) as log:
        await log.append(seen)
    await consumer.run()
    assert consumer.values() == values
    consumer.examine()


def state_of(seeing: Observer, name: str, text: str) -> Envelope:
    """What an observer makes of a StatefulSet."""
    document = {
        "metadata": {"name": name, "namespace": "shop", "uid": f"u-{name}", "resourceVersion": "7"},
        "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": text}]}}},
    }
    kind = KIND_BY_PLURAL["statefulsets"]
    sealed = seeing.state(json.dumps(document).encode(), kind=kind, at=utc_now())
    assert sealed
    return sealed
