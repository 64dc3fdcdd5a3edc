"""What Kafka's client raises becomes one of our errors: worth another try, or not."""

from __future__ import annotations

import pytest
from aiokafka import errors as kafka

from ledger.errors import LogUnreachable, LogUnusable
from ledger.log.address import parse_address
from ledger.log.brokers import options, translated

ADDRESS = parse_address("kafka://a:1,b:2/t")


@pytest.mark.parametrize(
    ("wrong", "kind", "sentence"),
    [
        (
            kafka.NotEnoughReplicasError(),
            LogUnreachable,
            "topic t has fewer in-sync replicas than min.insync.replicas asks for",
        ),
        (
            kafka.NotEnoughReplicasAfterAppendError(),
            LogUnreachable,
            "topic t has fewer in-sync replicas than min.insync.replicas asks for",
        ),
        (
            kafka.UnknownTopicOrPartitionError(),
            LogUnreachable,
            "no broker of a:1,b:2 leads topic t",
        ),
        (
            kafka.RequestTimedOutError(),
            LogUnreachable,
            "Kafka at a:1,b:2 does not answer",
        ),
        (TimeoutError(), LogUnreachable, "Kafka at a:1,b:2 does not answer"),
        (
            ConnectionResetError(104, "Connection reset by peer"),
            LogUnreachable,
            "Kafka at a:1,b:2 does not answer ([Errno 104] Connection reset by peer)",
        ),
        (
            kafka.KafkaStorageError(),
            LogUnreachable,
            "Kafka at a:1,b:2 does not answer ([Error 56] KafkaStorageError)",
        ),
        (kafka.TopicAuthorizationFailedError(), LogUnusable, "Kafka does not let us use topic t"),
        (kafka.MessageSizeTooLargeError(), LogUnusable, "a record is larger than topic t takes"),
        (
            kafka.CorruptRecordException(),
            LogUnusable,
            "topic t sends a record whose checksum does not fit it, twice",
        ),
    ],
)
def test_an_error_of_kafka_s_is_told_in_a_sentence(
    wrong: Exception, kind: type[LogUnusable], sentence: str
) -> None:
    ours = translated(wrong, ADDRESS)
    assert (type(ours), ours.message) == (kind, sentence)


def test_a_file_of_the_login_that_cannot_be_read_is_told() -> None:
    missing = "kafka://a/t?tls=on&username=u&password_file=/nowhere/password"
    with pytest.raises(LogUnusable) as wrong:
        options(parse_address(missing))
    assert wrong.value.message == (
        "a file that the address of topic t names cannot be used: "
        "[Errno 2] No such file or directory: '/nowhere/password'"
    )
    assert wrong.value.hint == "look at ca, cert, key and password_file in the address"
