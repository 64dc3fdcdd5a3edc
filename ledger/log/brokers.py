"""What is asked of Kafka's brokers besides records: who a topic is, how it is set, and to make one.

With kafka.py the only user of aiokafka. Its errors become ours here, once. aiokafka's own metadata
request knows no topic ids, so the newer one that does is spelled out at the end of the file.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
from io import BytesIO
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from aiokafka import errors as kafka
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.codec import has_zstd
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.admin import DescribeConfigsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from ledger.errors import LogUnreachable, LogUnusable
from ledger.log.address import Access, TopicAddress
from ledger.log.refusals import Refusals
from ledger.log.topic import Topic, create_command, new_topic_settings

SETTINGS = ("cleanup.policy", "max.message.bytes")
TOPIC_RESOURCE = 2
MOMENTS = (0.0, 0.1, 0.2, 0.4)

FAILURES = (kafka.KafkaError, kafka.ConsumerStoppedError, TimeoutError, OSError)
"""What comes out of aiokafka when a broker, the network or another task's failure is in the way."""

REFUSALS = (ssl.SSLError, kafka.SaslAuthenticationFailed, kafka.UnsupportedSaslMechanismError)
"""How a connection ends that a broker, or we, did not want."""


async def create(address: TopicAddress, *, replication_factor: int) -> None:
    """The topic exists when the call returns; when it was there before, it is left as it was.

    Raises LogUnusable when the brokers refuse to make it, LogUnreachable when none answers.
    """
    admin = AIOKafkaAdminClient(**options(address))
    settings = new_topic_settings(replication_factor)
    topic = NewTopic(address.topic, 1, replication_factor, topic_configs=settings)
    try:
        async with asyncio.timeout(2 * address.timeout_seconds):
            await admin.start()
            answer = await admin.create_topics([topic])
    except FAILURES as wrong:
        raise translated(wrong, address) from wrong
    finally:
        await admin.close()
    for _, code, reason in answer.topic_errors:
        if code not in (0, kafka.TopicAlreadyExistsError.errno):
            raise LogUnusable(f"Kafka does not make topic {address.topic}: {reason}")


async def describe(client: Any, address: TopicAddress) -> Topic:
    """The topic as the brokers know it. Raises LogUnusable when there is none, and aiokafka's
    errors.
    """
    for wait_seconds in MOMENTS:
        # A topic that was just made, or a broker that has just come back, takes a moment.
        await asyncio.sleep(wait_seconds)
        topic_id, partitions, _ = await _metadata(client, address)
        if topic_id:
            break
    if not topic_id:
        raise LogUnusable(
            f"there is no topic {address.topic} on {address.servers}",
            hint=f"make it: {create_command(address)}",
        )
    question = DescribeConfigsRequest([(TOPIC_RESOURCE, address.topic, list(SETTINGS))])
    answer = await _ask(client, address, question)
    code, _, _, _, entries = answer.resources[0]
    if code:
        raise kafka.for_code(code)()
    settings = {name: value for name, value, *_ in entries}
    return Topic(address.topic, topic_id, partitions, settings)


async def identity(client: Any, address: TopicAddress) -> tuple[str, int]:
    """The id of the topic that has this name now, empty when none has, and how often it got a
    leader, or got one back, so far. Raises aiokafka's errors.
    """
    topic_id, _, leader_epoch = await _metadata(client, address)
    return topic_id, leader_epoch


def options(address: TopicAddress) -> dict[str, Any]:
    """What every client of aiokafka is made with. Raises LogUnusable when a file of the login
    cannot be read.
    """
    _refuse_half_installed()
    _quieten()
    access = address.access
    made: dict[str, Any] = {
        "bootstrap_servers": list(address.brokers),
        "request_timeout_ms": int(address.timeout_seconds * 1000),
    }
    try:
        if access.tls:
            made["security_protocol"] = "SASL_SSL" if access.username else "SSL"
            made["ssl_context"] = _tls(access)
        if access.username:
            made["sasl_mechanism"] = access.mechanism
            made["sasl_plain_username"] = access.username
            made["sasl_plain_password"] = Path(access.password_file).read_text().strip()
    except OSError as wrong:
        raise LogUnusable(
            f"a file that the address of topic {address.topic} names cannot be used: {wrong}",
            hint="look at ca, cert, key and password_file in the address",
        ) from wrong
    return made


async def started(client: Any, address: TopicAddress) -> Any:
    """A client of aiokafka that is connected. Raises aiokafka's errors, having freed it."""
    try:
        async with asyncio.timeout(address.timeout_seconds):
            await client.start()
    except BaseException:
        await stop(client, address)
        raise
    return client


async def stop(client: Any, address: TopicAddress) -> None:
    """Free a client, in bounded time."""
    try:
        async with asyncio.timeout(address.timeout_seconds):
            await client.stop()
    except FAILURES as wrong:
        # It is thrown away, and what it still held was never acknowledged to anyone.
        logging.getLogger(__name__).debug("a Kafka client did not stop in order: %r", wrong)


def translated(wrong: Exception, address: TopicAddress) -> LogUnusable:
    """One of our errors for one of aiokafka's, or of the network's: LogUnreachable when it may
    pass.
    """
    topic = address.topic
    match wrong:
        case kafka.TopicAuthorizationFailedError() | kafka.ClusterAuthorizationFailedError():
            return LogUnusable(
                f"Kafka does not let us use topic {topic}",
                hint="its login needs Describe, DescribeConfigs, Write to append, Read to consume",
            )
        case kafka.MessageSizeTooLargeError() | kafka.RecordListTooLargeError():
            return LogUnusable(f"a record is larger than topic {topic} takes")
        case kafka.CorruptRecordException():
            return LogUnusable(
                f"topic {topic} sends a record whose checksum does not fit it, twice",
                hint="a broker's disk may be failing; nothing was skipped",
            )
        case kafka.NotEnoughReplicasError() | kafka.NotEnoughReplicasAfterAppendError():
            return LogUnreachable(
                f"topic {topic} has fewer in-sync replicas than min.insync.replicas asks for",
                hint="records wait until a broker is back",
            )
        case kafka.UnknownTopicOrPartitionError():
            return LogUnreachable(f"no broker of {address.servers} leads topic {topic}")
        case _:
            return _unanswered(wrong, address)


def _unanswered(wrong: Exception, address: TopicAddress) -> LogUnreachable:
    if refusal := _refusals.take():
        return LogUnreachable(
            f"no connection to Kafka at {address.servers}: {_first_line(refusal)}",
            hint="check tls, ca, cert, username and the password_file of the address: they are "
            "read again at every try",
        )
    return LogUnreachable(
        f"Kafka at {address.servers} does not answer{_reason(wrong)}",
        hint="check that the brokers run, and the address, TLS and login",
    )


def _reason(wrong: Exception) -> str:
    match wrong:
        case TimeoutError() | kafka.KafkaTimeoutError() | kafka.RequestTimedOutError():
            return ""
        case kafka.KafkaConnectionError() | kafka.NodeNotReadyError():
            return ""
        case _:
            return f" ({_first_line(wrong)})"


def _first_line(wrong: Exception) -> str:
    first, *_ = str(wrong).splitlines() or [type(wrong).__name__]
    return first


def _tls(access: Access) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=access.ca or None)
    if access.cert:
        context.load_cert_chain(access.cert, access.key or None)
    return context


def _refuse_half_installed() -> None:
    if not has_zstd():
        raise LogUnusable(
            "Kafka support is not installed", hint="pip install 'rollout-ledger[kafka]'"
        )


def _quieten() -> None:
    noisy = logging.getLogger("aiokafka")
    if _refusals not in noisy.handlers:
        noisy.addHandler(_refusals)
    if not noisy.isEnabledFor(logging.DEBUG):
        noisy.setLevel(logging.ERROR)
        noisy.propagate = False


def _is_refusal(wrong: object) -> bool:
    return isinstance(wrong, REFUSALS)


_refusals = Refusals(_is_refusal)


async def _ask(client: Any, address: TopicAddress, question: Any) -> Any:
    """The first answer: the leader's, else any broker's, since one of them may be dead."""
    leader = client.cluster.leader_for_partition(TopicPartition(address.topic, 0))
    nodes = [broker.nodeId for broker in client.cluster.brokers()]
    nodes.sort(key=lambda node: node != leader)
    for node in nodes[:-1]:
        try:
            return await client.send(node, question)
        except (kafka.NodeNotReadyError, kafka.KafkaConnectionError, kafka.RequestTimedOutError):
            continue
    return await client.send(nodes[-1] if nodes else None, question)


async def _metadata(client: Any, address: TopicAddress) -> tuple[str, int, int]:
    try:
        answer = await _ask(client, address, _TopicRequest(address.topic))
    except NotImplementedError:
        raise LogUnusable(
            f"the brokers of {address.servers} are older than Kafka 2.8",
            hint="older ones have no topic ids, so a topic that was made again could not be told",
        ) from None
    code, _, topic_id, _, partitions, *_ = answer.topics[0]
    if code == kafka.UnknownTopicOrPartitionError.errno:
        return "", 0, -1
    if code:
        raise kafka.for_code(code)()
    return topic_id, len(partitions), partitions[0][3]


class _Uuid(AbstractType[str]):  # type: ignore[misc]
    """16 bytes, as the text that Kafka's own tools print."""

    @classmethod
    def encode(cls, value: str) -> bytes:
        return base64.urlsafe_b64decode(f"{value}==") if value else bytes(16)

    @classmethod
    def decode(cls, data: BytesIO) -> str:
        return base64.urlsafe_b64encode(data.read(16)).decode().rstrip("=")


_PARTITION = (
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline_replicas", CompactArray(Int32)),
    ("tags", TaggedFields),
)
_TOPIC = (
    ("error_code", Int16),
    ("topic", CompactString("utf-8")),
    ("topic_id", _Uuid),
    ("is_internal", Boolean),
    ("partitions", CompactArray(*_PARTITION)),
    ("authorized_operations", Int32),
    ("tags", TaggedFields),
)
_BROKER = (
    ("node_id", Int32),
    ("host", CompactString("utf-8")),
    ("port", Int32),
    ("rack", CompactString("utf-8")),
    ("tags", TaggedFields),
)


class _TopicResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", CompactArray(*_BROKER)),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        ("topics", CompactArray(*_TOPIC)),
        ("authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _TopicStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _TopicResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic_id", _Uuid), ("topic", CompactString("utf-8")), ("tags", TaggedFields)
            ),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("cluster_operations", Boolean),
        ("topic_operations", Boolean),
        ("tags", TaggedFields),
    )


class _TopicRequest(Request[_TopicStruct]):  # type: ignore[misc]
    """Metadata of one topic, in the version that names its id and makes no topic by asking."""

    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: type[_TopicStruct]) -> _TopicStruct:
        return request_struct_class([("", self._topic, {})], False, False, False, {})
