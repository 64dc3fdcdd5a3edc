"""Which topic, and what it must be like to serve as a log: addresses, settings, and the reasons to
refuse one.

Pure and without Kafka's client, so that a mistyped address is told before anything heavy is
imported. Talking to brokers is left to kafka.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from ledger.envelope import LIMIT_BYTES
from ledger.errors import LogUnusable

PORT = 9092
MESSAGE_BYTES = LIMIT_BYTES + 64 * 1024
"""What a topic's max.message.bytes should be: our largest record and what Kafka adds to it."""

LEAST_MESSAGE_BYTES = 1_000_000
"""Kafka's own default, rounded down: less would refuse records that are not even large."""

FORM = "kafka://host:9092[,host2:9092]/topic"
PARAMETERS = (
    "tls",
    "ca",
    "cert",
    "key",
    "username",
    "password_file",
    "mechanism",
    "timeout",
)
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_BROKER = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class Access:
    """How a broker is asked to let us in. The default is plain text without a login."""

    tls: bool = False
    """Encrypt, and check the broker's certificate and host name."""

    ca: str = ""
    """PEM file of the authorities that may vouch for the broker. Default: the system's."""

    cert: str = ""
    """PEM file of our own certificate, for brokers that ask for one."""

    key: str = ""
    """PEM file of the certificate's key. Default: the same file."""

    username: str = ""
    """The login's name; empty for none."""

    password_file: str = field(default="", repr=False)
    """File that holds the login's password, read anew at every connect."""

    mechanism: str = "SCRAM-SHA-512"
    """How the login is shown."""


@dataclass(frozen=True, slots=True)
class TopicAddress:
    """A topic on some brokers."""

    brokers: tuple[str, ...]
    topic: str
    access: Access = Access()
    timeout_seconds: float = 10.0
    """How long a broker may take to answer. aiokafka tries again within it, so an append fails
    within twice that.
    """

    @property
    def servers(self) -> str:
        """The brokers as Kafka's own tools want them: `host:9092,host2:9092`."""
        return ",".join(self.brokers)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as its brokers describe it."""

    name: str
    id: str
    partitions: int
    settings: Mapping[str, str]

    @property
    def limit_bytes(self) -> int:
        """The largest batch that the brokers take for it."""
        return int(self.settings["max.message.bytes"])


def parse_address(address: str) -> TopicAddress:
    """Read `kafka://host:9092,host2:9092/topic?tls=on&username=…`. Raises LogUnusable, with the
    reason.
    """
    parts = urlsplit(address)
    brokers = tuple(_broker(broker, address) for broker in parts.netloc.split(","))
    topic = parts.path.removeprefix("/")
    if parts.scheme != "kafka" or parts.fragment or not _TOPIC.fullmatch(topic):
        raise _malformed(address, f"{topic!r} is no topic" if topic else "it names no topic")
    given = _given(address, parts.query)
    timeout = given.pop("timeout", "10")
    if not re.fullmatch(r"[1-9][0-9]{0,2}", timeout):
        raise _malformed(address, "timeout is a number of seconds from 1 to 999")
    return TopicAddress(brokers, topic, _access(address, given), float(timeout))


def refuse_unfit(topic: Topic, address: TopicAddress) -> None:
    """Raise LogUnusable, with the reason, for a topic that would lose or reorder records."""
    if topic.partitions != 1:
        raise LogUnusable(
            f"topic {topic.name} has {topic.partitions} partitions, and a log has one: "
            "across several there is no order",
            hint=f"make another topic: {create_command(address)}",
        )
    if "compact" in topic.settings["cleanup.policy"]:
        raise LogUnusable(
            f"topic {topic.name} has cleanup.policy={topic.settings['cleanup.policy']}: "
            "compaction deletes history",
            hint=alter_command(address, "cleanup.policy=delete"),
        )
    if topic.limit_bytes < LEAST_MESSAGE_BYTES:
        raise LogUnusable(
            f"topic {topic.name} takes at most {topic.limit_bytes} bytes at once",
            hint=alter_command(address, f"max.message.bytes={MESSAGE_BYTES}"),
        )


def new_topic_settings(replication_factor: int) -> dict[str, str]:
    """The settings a topic is made with: nothing is ever deleted, and no acknowledged record hangs
    on one disk.
    """
    return {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "max.message.bytes": str(MESSAGE_BYTES),
        "min.insync.replicas": "2" if replication_factor > 2 else "1",
        "unclean.leader.election.enable": "false",
    }


def create_command(address: TopicAddress) -> str:
    """The line that makes the topic as it should be in production, with Kafka's own tool."""
    settings = " ".join(f"--config {key}={value}" for key, value in new_topic_settings(3).items())
    return (
        f"kafka-topics.sh --bootstrap-server {address.servers} --create --topic {address.topic} "
        f"--partitions 1 --replication-factor 3 {settings}"
    )


def alter_command(address: TopicAddress, setting: str) -> str:
    """The line that changes one setting of the topic, with Kafka's own tool."""
    return (
        f"kafka-configs.sh --bootstrap-server {address.servers} --alter "
        f"--entity-type topics --entity-name {address.topic} --add-config {setting}"
    )


def _broker(text: str, address: str) -> str:
    found = _BROKER.fullmatch(text)
    port = int(found[2] or PORT) if found else 0
    if not found or not 0 < port < 65536:
        raise _malformed(address, f"{text!r} is no broker" if text else "it names no broker")
    return f"{found[1]}:{port}"


def _given(address: str, query: str) -> dict[str, str]:
    try:
        given = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
    except ValueError:
        raise _malformed(address, f"{query!r} is not name=value&…") from None
    if unknown := sorted(given.keys() - set(PARAMETERS)):
        raise _malformed(address, f"there is no {unknown[0]}, only {', '.join(PARAMETERS)}")
    return given


def _access(address: str, given: dict[str, str]) -> Access:
    tls = given.pop("tls", "off")
    access = Access(tls=tls == "on", **given)
    if tls not in ("on", "off"):
        raise _malformed(address, "tls is on or off")
    if (given.keys() - {"mechanism"}) and not access.tls:
        raise _malformed(address, "a login or certificate is only sent over TLS: add tls=on")
    if bool(access.username) != bool(access.password_file):
        raise _malformed(address, "username and password_file go together")
    if access.mechanism not in MECHANISMS:
        raise _malformed(address, f"mechanism is one of {', '.join(MECHANISMS)}")
    return access


def _malformed(address: str, reason: str) -> LogUnusable:
    return LogUnusable(f"{address!r} is not a topic's address: {reason}", hint=f"write {FORM}")
