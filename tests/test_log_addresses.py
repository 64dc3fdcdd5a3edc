"""A log's address says where it is, and a wrong one is told in a line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ledger.errors import LogUnusable
from ledger.log import open_log
from ledger.log.address import PARAMETERS, Access, TopicAddress, parse_address

TOPIC = "a topic's name has letters, digits, dots, - and _, 249 at most"


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("kafka://host/t", TopicAddress(("host:9092",), "t")),
        (
            "kafka://a:1,b.example:65535/my.topic_1",
            TopicAddress(("a:1", "b.example:65535"), "my.topic_1"),
        ),
        ("kafka://[::1]:9092/t?timeout=3", TopicAddress(("[::1]:9092",), "t", Access(), 3.0)),
        (
            "kafka://a/t?tls=on&ca=/ca.pem&cert=/c.pem&key=/k.pem",
            TopicAddress(("a:9092",), "t", Access(True, "/ca.pem", "/c.pem", "/k.pem")),
        ),
        (
            "kafka://a/t?tls=on&username=u&password_file=/run/secrets/p&mechanism=PLAIN",
            TopicAddress(
                ("a:9092",),
                "t",
                Access(True, username="u", password_file="/run/secrets/p", mechanism="PLAIN"),
            ),
        ),
    ],
)
def test_a_topic_is_named_by_brokers_and_topic(address: str, parsed: TopicAddress) -> None:
    assert parse_address(address) == parsed


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("kafka://host", "it names no topic"),
        ("kafka://host/", "it names no topic"),
        ("kafka:///t", "it names no broker"),
        ("kafka:host/t", "it names no broker"),
        ("kafka://a,,b/t", "it names no broker"),
        ("kafka://host:0/t", "'host:0' is no broker"),
        ("kafka://host:65536/t", "'host:65536' is no broker"),
        ("kafka://host/a/b", TOPIC),
        ("kafka://host/..", TOPIC),
        ("kafka://host/a b", TOPIC),
        (f"kafka://host/{'t' * 250}", TOPIC),
        ("kafka://host/t#x", TOPIC),
        ("kafka://[::1/t", "Invalid IPv6 URL"),
    ],
)
def test_a_malformed_address_is_told_with_the_reason(address: str, reason: str) -> None:
    with pytest.raises(LogUnusable) as wrong:
        parse_address(address)
    assert wrong.value.message == f"{address!r} is not a topic's address: {reason}"
    assert wrong.value.hint == "write kafka://host:9092[,host2:9092]/topic"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("tls", "tls is empty"),
        ("tls=yes", "tls is on or off"),
        (
            "password=x",
            f"there is no password, only {', '.join(PARAMETERS)}",
        ),
        ("timeout=0", "timeout is a number of seconds from 1 to 999"),
        (
            "username=u&password_file=p",
            "a login or certificate is only sent over TLS: add tls=on",
        ),
        ("tls=on&username=u", "username and password_file go together"),
        (
            "tls=on&username=u&password_file=p&mechanism=GSSAPI",
            "mechanism is one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
        ),
    ],
)
def test_a_malformed_access_is_told_without_repeating_it(query: str, reason: str) -> None:
    with pytest.raises(LogUnusable) as wrong:
        parse_address(f"kafka://host/t?{query}")
    assert wrong.value.message == f"'kafka://host/t' is not a topic's address: {reason}"


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(LogUnusable) as wrong:
        parse_address("kafka://user:hunter2@host/t?password=hunter2")
    assert wrong.value.message == (
        "'kafka://…@host/t' is not a topic's address: "
        "a login is written ?tls=on&username=…&password_file=…"
    )


@pytest.mark.parametrize("address", ["", "log.db", "/var/log.db", "http://host/t", "memory:x"])
async def test_what_is_no_log_s_address_is_told(address: str) -> None:
    with pytest.raises(LogUnusable) as wrong:
        await open_log(address)
    assert (wrong.value.message, wrong.value.hint) == (
        f"{address!r} is not a log's address",
        "use sqlite:///path/log.db or kafka://host:9092/topic",
    )


WITHOUT_KAFKA = """
import asyncio, sys
sys.modules["aiokafka"] = None
from ledger.errors import LogUnusable
from ledger.log import open_log
try:
    asyncio.run(open_log("kafka://host/t"))
except LogUnusable as wrong:
    print(wrong.message, wrong.hint, sep="; ")
"""


def test_without_the_extra_its_name_is_told() -> None:
    answer = subprocess.run([sys.executable, "-c", WITHOUT_KAFKA], capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == (
        "Kafka support is not installed; pip install 'rollout-ledger[kafka]'\n",
        "",
    )
