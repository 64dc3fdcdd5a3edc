"""A real topic as a log: which topics are refused, what is kept when brokers and networks fail."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from ledger.envelope import Envelope
from ledger.errors import LedgerError, LogTruncated, LogUnreachable, LogUnusable
from ledger.log.kafka import KafkaLog
from ledger.model import NOWHERE, Position, Record
from tests.breaking import QUICKLY
from tests.breaking import proxied as behind_proxy
from tests.lab.broker import Broker, brokers
from tests.lab.process import free_ports
from tests.lab.topics import Topics
from tests.proxy import Proxy
from tests.test_log_contract import all_records, fitting_topic, numbered, sealed

pytestmark = pytest.mark.kafka


@pytest.fixture
async def address(broker: Topics) -> str:
    """A fitting topic of the test's own."""
    return await fitting_topic(broker)


@pytest.fixture
async def log(address: str) -> AsyncIterator[KafkaLog]:
    """The topic, open."""
    async with opened(address) as made:
        yield made


@pytest.fixture(scope="module")
def own_broker(broker: Topics) -> Iterator[Broker]:
    """A broker that a test may kill, beside the run's own, where one can be had."""
    with Broker(properties=QUICKLY) as running:
        yield running


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[KafkaLog]:
    """A topic, open as long as the block."""
    log = await KafkaLog.open(address)
    try:
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def administrator(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Somebody who manages the brokers, and knows nothing of us."""
    client = AIOKafkaAdminClient(bootstrap_servers=server(address))
    await client.start()
    try:
        yield client
    finally:
        await client.close()


def server(address: str) -> str:
    """`host:port` of an address."""
    return address.split("/")[2]


def topic(address: str) -> str:
    """The topic of an address."""
    return address.split("/")[3].split("?")[0]


def told(wrong: LedgerError) -> tuple[str, str]:
    """What the user reads."""
    return wrong.message, wrong.hint


async def refusal(address: str) -> tuple[str, str]:
    """What the user reads of a topic that cannot be opened."""
    with pytest.raises(LogUnusable) as wrong:
        await KafkaLog.open(address)
    return told(wrong.value)


async def test_a_missing_topic_is_told_with_the_command_that_makes_it(broker: Topics) -> None:
    address = f"kafka://{broker.address}/missing"
    create = (
        f"make it: kafka-topics.sh --bootstrap-server {broker.address} --create --topic missing "
        "--partitions 1 --replication-factor 3 --config cleanup.policy=delete "
        "--config retention.ms=-1 --config retention.bytes=-1 --config max.message.bytes=8454144 "
        "--config min.insync.replicas=2 --config unclean.leader.election.enable=false"
    )
    for _ in range(2):
        told = await refusal(address)
        assert told == (f"there is no topic missing on {broker.address}", create)


@pytest.mark.parametrize(
    ("partitions", "config", "sentence"),
    [
        (2, {}, "has 2 partitions, and a log has one: across several there is no order"),
        (
            1,
            {"cleanup.policy": "compact"},
            "has cleanup.policy=compact: compaction deletes history",
        ),
        (
            1,
            {"cleanup.policy": "compact,delete"},
            "has cleanup.policy=compact,delete: compaction deletes history",
        ),
        (1, {"max.message.bytes": "500000"}, "takes at most 500000 bytes at once"),
    ],
)
async def test_an_unfit_topic_is_refused_with_the_reason(
    broker: Topics, partitions: int, config: Mapping[str, str], sentence: str
) -> None:
    name = f"unfit-{uuid.uuid4().hex[:8]}"
    broker.create_topic(name, partitions=partitions, config=config)
    message, hint = await refusal(f"kafka://{broker.address}/{name}")
    assert message == f"topic {name} {sentence}"
    assert f"--bootstrap-server {broker.address} " in hint


async def test_a_topic_is_made_with_the_settings_of_a_log_and_left_alone_afterwards(
    broker: Topics, address: str
) -> None:
    await KafkaLog.create(address)
    resource = ConfigResource(ConfigResourceType.TOPIC, topic(address))
    async with administrator(address) as client:
        (answer,) = await client.describe_configs([resource])
    ((*_, settings),) = answer.resources
    found = {name: value for name, value, *_ in settings}
    wanted = {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "max.message.bytes": "8454144",
        "min.insync.replicas": "1",
        "unclean.leader.election.enable": "false",
    }
    assert {name: found[name] for name in wanted} == wanted


async def test_a_topic_that_the_brokers_refuse_to_make_is_told(broker: Topics) -> None:
    with pytest.raises(LogUnusable) as wrong:
        await KafkaLog.create(f"kafka://{broker.address}/too-safe", replication_factor=9)
    assert wrong.value.message.startswith("Kafka does not make topic too-safe: ")


@pytest.mark.parametrize("opening", [KafkaLog.open, KafkaLog.create])
async def test_a_broker_that_is_not_there_is_told(opening: type) -> None:
    (port,) = free_ports(1)
    with pytest.raises(LogUnreachable) as wrong:
        await opening(f"kafka://127.0.0.1:{port}/t")
    assert told(wrong.value) == (
        f"Kafka at 127.0.0.1:{port} does not answer",
        "check that the brokers run, and the address, TLS and login",
    )


async def test_a_broker_that_never_answers_is_told_in_time() -> None:
    port, target = free_ports(2)
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", target)
    async with asyncio.timeout(5), listening, Proxy(port, target) as proxy:
        proxy.silence()
        with pytest.raises(LogUnreachable) as wrong:
            await KafkaLog.open(f"kafka://127.0.0.1:{port}/t?timeout=1")
    assert wrong.value.message == f"Kafka at 127.0.0.1:{port} does not answer"


UNREACHABLE = """
import asyncio, logging, sys
from ledger.errors import LogUnreachable
from ledger.log import open_log
try:
    asyncio.run(open_log("kafka://127.0.0.1:1/t"))
except LogUnreachable as wrong:
    print(wrong.message)
"""


def test_the_client_s_own_noise_does_not_reach_the_user() -> None:
    answer = subprocess.run([sys.executable, "-c", UNREACHABLE], capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == (
        "Kafka at 127.0.0.1:1 does not answer\n",
        "",
    )


async def test_records_carry_cluster_and_content_type_for_other_tools(
    log: KafkaLog, address: str
) -> None:
    await log.append(sealed(b'{"id":"1","source":"/clusters/c0ffee"}', b"{}"))
    await log.append(sealed(b"anything"))
    place = TopicPartition(topic(address), 0)
    async with AIOKafkaConsumer(bootstrap_servers=server(address)) as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        found = [await consumer.getone() for _ in range(3)]
    assert [each.key for each in found] == [b"c0ffee", b"c0ffee", None]
    kind = (("content-type", b"application/cloudevents+json"),)
    assert [each.headers for each in found] == [kind] * 3


async def test_a_record_without_a_value_reads_as_empty_bytes(log: KafkaLog, address: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=server(address)) as producer:
        await producer.send_and_wait(topic(address), None, key=b"tombstone")
    assert await log.read(NOWHERE, 10) == [Record(Position(0), b"")]


async def test_a_record_that_the_topic_is_too_narrow_for_is_refused_before_it_is_sent(
    broker: Topics,
) -> None:
    name = f"narrow-{uuid.uuid4().hex[:8]}"
    broker.create_topic(name, config={"max.message.bytes": "1048588"})
    compressible, incompressible = b"pod " * 800_000, os.urandom(1_100_000)
    async with opened(f"kafka://{broker.address}/{name}") as log:
        assert log.limit_bytes == 1_047_564
        assert await log.append(sealed(compressible)) == 0
        with pytest.raises(LogUnusable) as wrong:
            await log.append(sealed(b"one", incompressible))
        assert await all_records(log) == numbered([compressible])
    alter = (
        f"kafka-configs.sh --bootstrap-server {broker.address} --alter --entity-type topics "
        f"--entity-name {name} --add-config max.message.bytes=8454144"
    )
    assert told(wrong.value) == (
        f"record id/1 is larger than topic {name} takes, 1047564 bytes compressed",
        alter,
    )


async def test_retention_that_overtakes_a_reader_is_told_with_what_is_gone(
    log: KafkaLog, address: str
) -> None:
    await log.append(sealed(*(str(number).encode() for number in range(10))))
    await delete_records(address, before=7)
    with pytest.raises(LogTruncated) as wrong:
        await log.read(Position(1), 10)
    alter = (
        f"kafka-configs.sh --bootstrap-server {server(address)} --alter --entity-type topics "
        f"--entity-name {topic(address)} --add-config retention.ms=-1"
    )
    assert told(wrong.value) == (
        f"records 2 to 6 are gone from topic {topic(address)}, which now begins at 7",
        f"its retention was shorter than the consumer's absence: {alter}",
    )
    assert await log.beginning() == 7
    assert [each.value for each in await log.read(Position(6), 10)] == [b"7", b"8", b"9"]


async def test_a_topic_that_retention_emptied_keeps_its_head(log: KafkaLog, address: str) -> None:
    await log.append(sealed(b"0", b"1", b"2"))
    await delete_records(address, before=3)
    assert (await log.beginning(), await log.head()) == (3, 2)
    assert await log.read(Position(2), 10) == []
    assert await log.append(sealed(b"3")) == 3
    assert await log.read(Position(2), 10) == [Record(Position(3), b"3")]


async def delete_records(address: str, *, before: int) -> None:
    """What retention does, at once."""
    place = TopicPartition(topic(address), 0)
    async with administrator(address) as client:
        await client.delete_records({place: RecordsToDelete(before)})


async def test_a_reader_behind_the_end_is_told(log: KafkaLog, address: str) -> None:
    await log.append(sealed(b"0"))
    with pytest.raises(LogTruncated) as wrong:
        await log.read(Position(5), 10)
    assert told(wrong.value) == (
        f"topic {topic(address)} ends at record 0, but record 5 was read from it",
        "its brokers lost acknowledged records, or it was deleted and made again",
    )


async def test_a_topic_that_was_deleted_and_made_again_is_told_to_readers_and_appenders(
    broker: Topics, log: KafkaLog, address: str
) -> None:
    before = log.topic_id
    await log.append(sealed(b"0", b"1"))
    broker.delete_topic(topic(address))
    await KafkaLog.create(address)
    async with opened(address) as again:
        assert again.topic_id != before
        await again.append(sealed(b"x", b"y", b"z"))
        await asyncio.sleep(1.0)
        for used in (log.read(Position(1), 10), log.append(sealed(b"2"))):
            with pytest.raises(LogTruncated) as wrong:
                await used
            assert told(wrong.value) == (
                f"topic {topic(address)} was deleted and made again while it was in use",
                "start again: the archive then says what is missing",
            )
        assert await all_records(again) == numbered([b"x", b"y", b"z"])


async def test_a_killed_broker_loses_nothing_that_it_acknowledged(own_broker: Broker) -> None:
    address = f"{await fitting_topic(own_broker)}?timeout=3"

    def crash() -> None:
        own_broker.kill()
        own_broker.start()

    await keep_all_through(crash, address)


@pytest.mark.acceptance
async def test_a_killed_leader_of_three_loses_nothing_that_was_acknowledged(broker: Topics) -> None:
    three = await asyncio.to_thread(brokers, 3, **QUICKLY)
    try:
        servers = ",".join(each.address for each in three)
        address = f"kafka://{servers}/t?timeout=3"
        await KafkaLog.create(address, replication_factor=3)
        await keep_all_through(lambda: three[leader(servers) - 1].kill(), address)
    finally:
        for each in three:
            await asyncio.to_thread(each.stop)


def leader(servers: str) -> int:
    """The number of the broker that leads the topic."""

    async def ask() -> int:
        async with administrator(f"kafka://{servers}/t") as client:
            (described,) = await client.describe_topics(["t"])
            return int(described["partitions"][0]["leader"])

    return asyncio.run(ask())


async def keep_all_through(crash: Callable[[], None], address: str) -> None:
    """Append and follow while something crashes: nothing acknowledged is lost or out of order."""
    values = [str(number).encode() for number in range(3_000)]
    due = asyncio.Event()

    async def append(log: KafkaLog) -> None:
        for start in range(0, len(values), 30):
            await insist(log, sealed(*values[start : start + 30]))
            if start == 900:
                due.set()

    async def follow(log: KafkaLog) -> list[Record]:
        found: list[Record] = []
        while not found or found[-1].value != values[-1]:
            try:
                found += await log.read(found[-1].position if found else NOWHERE, 100)
            except LogUnreachable:
                await asyncio.sleep(0.1)
        return found

    async def fail() -> None:
        await due.wait()
        await asyncio.to_thread(crash)

    async with opened(address) as writer, opened(address) as reader:
        found, *_ = await asyncio.gather(follow(reader), append(writer), fail())
    assert [each.position for each in found] == list(range(len(found)))
    # What was sent twice stands twice; the first of each are in order, and none is missing.
    assert list(dict.fromkeys(each.value for each in found)) == values


async def insist(log: KafkaLog, batch: list[Envelope]) -> None:
    """Append until it is acknowledged, as the watcher does."""
    while True:
        try:
            await log.append(batch)
        except LogUnreachable:
            await asyncio.sleep(0.1)
        else:
            return


@pytest.fixture
async def proxied(broker: Topics) -> AsyncIterator[tuple[Proxy, str]]:
    """A topic on a broker that is reached through a proxy alone."""
    async with behind_proxy() as (proxy, address, _):
        yield proxy, address


async def test_a_silent_network_ends_every_wait_and_is_got_over(
    proxied: tuple[Proxy, str],
) -> None:
    proxy, address = proxied
    async with opened(address) as log:
        await log.append(sealed(b"0"))
        assert await log.read(NOWHERE, 10) == numbered([b"0"])
        proxy.silence()
        for used in (log.append(sealed(b"1")), log.read(Position(0), 10), log.head()):
            async with asyncio.timeout(4):
                with pytest.raises(LogUnreachable):
                    await used
        proxy.heal()
        await log.append(sealed(b"1"))
        values = [each.value for each in await all_records(log)]
        assert list(dict.fromkeys(values)) == [b"0", b"1"]


async def test_a_lost_acknowledgement_makes_duplicates_and_never_another_order(
    proxied: tuple[Proxy, str],
) -> None:
    proxy, address = proxied
    async with opened(address) as log:
        await log.append(sealed(b"0"))
        proxy.swallow_answers()
        with pytest.raises(LogUnreachable):
            await log.append(sealed(b"1", b"2"))
        proxy.heal()
        await log.append(sealed(b"1", b"2"))
        await log.append(sealed(b"3"))
        values = [each.value for each in await all_records(log)]
        assert values[0] == b"0"
        assert values[-1] == b"3"
        assert values[1:-1] == [b"1", b"2"] * (len(values[1:-1]) // 2)
        assert len(values) > 4
