"""What a topic must be like to serve as a log, and how one is made.

Pure: the settings come in as the brokers tell them, the reasons to refuse go out with the command
that heals. Asking the brokers is left to brokers.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ledger.envelope import LIMIT_BYTES
from ledger.errors import LogUnusable
from ledger.log.address import TopicAddress

MESSAGE_BYTES = LIMIT_BYTES + 64 * 1024
"""What a topic's max.message.bytes should be: our largest record and what Kafka adds to it."""

LEAST_MESSAGE_BYTES = 1_000_000
"""Kafka's own default, rounded down: less would refuse records that are not even large. Between the
two a topic is taken as it is, since no object of a cluster is that large once compressed.
"""


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
