"""Where a topic is: `kafka://host:9092,host2:9092/topic?tls=on&…`, read and checked.

Pure and without Kafka's client, so that a mistyped address is told before anything heavy is
imported. Passwords have no place in an address, since process lists and logs show it; what is no
good is told without the parts that might hold one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from ledger.errors import LogUnusable

PORT = 9092
FORM = "kafka://host:9092[,host2:9092]/topic"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
FILES_AND_NAMES = ("ca", "cert", "key", "username", "password_file", "mechanism")
PARAMETERS = ("timeout", "tls", *FILES_AND_NAMES)
_TOPIC = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}")
_BROKER = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_SECONDS = re.compile(r"[1-9][0-9]{0,2}")


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

    password_file: str = ""
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
    """How long a broker may take to answer. Default: long enough for a new leader to be elected."""

    @property
    def servers(self) -> str:
        """The brokers as Kafka's own tools want them: `host:9092,host2:9092`."""
        return ",".join(self.brokers)


def parse_address(address: str) -> TopicAddress:
    """Read a topic's address. Raises LogUnusable, with the reason, for what is not one."""
    try:
        return _parsed(address)
    except ValueError as reason:
        shown = re.sub(r"//.*@", "//…@", address.partition("?")[0])
        raise LogUnusable(
            f"{shown!r} is not a topic's address: {reason}", hint=f"write {FORM}"
        ) from None


def _parsed(address: str) -> TopicAddress:
    parts = urlsplit(address)
    if "@" in parts.netloc:
        raise ValueError("a login is written ?tls=on&username=…&password_file=…")
    brokers = tuple(_broker(broker) for broker in parts.netloc.split(","))
    topic = parts.path.removeprefix("/")
    if not topic:
        raise ValueError("it names no topic")
    if parts.fragment or not _TOPIC.fullmatch(topic):
        raise ValueError("a topic's name has letters, digits, dots, - and _, 249 at most")
    given = _given(parts.query)
    if not _SECONDS.fullmatch(given.get("timeout", "10")):
        raise ValueError("timeout is a number of seconds from 1 to 999")
    return TopicAddress(brokers, topic, _access(given), float(given.get("timeout", "10")))


def _broker(text: str) -> str:
    found = _BROKER.fullmatch(text)
    port = int(found[2] or PORT) if found else 0
    if not found or not 0 < port < 65536:
        raise ValueError(f"{text!r} is no broker" if text else "it names no broker")
    return f"{found[1]}:{port}"


def _given(query: str) -> dict[str, str]:
    given = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := sorted(given.keys() - set(PARAMETERS)):
        raise ValueError(f"there is no {unknown[0]}, only {', '.join(PARAMETERS)}")
    if empty := sorted(name for name, value in given.items() if not value):
        raise ValueError(f"{empty[0]} is empty")
    return given


def _access(given: dict[str, str]) -> Access:
    named = {name: given[name] for name in FILES_AND_NAMES if name in given}
    access = Access(tls=given.get("tls") == "on", **named)
    if given.get("tls", "off") not in ("on", "off"):
        raise ValueError("tls is on or off")
    if named and not access.tls:
        raise ValueError("a login or certificate is only sent over TLS: add tls=on")
    if bool(access.username) != bool(access.password_file):
        raise ValueError("username and password_file go together")
    if access.mechanism not in MECHANISMS:
        raise ValueError(f"mechanism is one of {', '.join(MECHANISMS)}")
    return access
