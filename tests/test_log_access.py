"""A broker that asks for TLS and a login is used with both, and never without."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ledger.errors import LogUnreachable
from ledger.log.kafka import KafkaLog
from ledger.model import NOWHERE
from tests.lab.broker import Broker, Quorum
from tests.lab.topics import Topics
from tests.test_log_contract import numbered, sealed
from tests.test_log_kafka import opened

pytestmark = pytest.mark.kafka

JAAS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="watcher" password="hunter2" user_watcher="hunter2";'
)


@dataclass(frozen=True)
class Guarded:
    """A broker behind TLS and a login, and the files that open it."""

    server: str
    ca: Path
    password_file: Path

    def address(self, **changes: object) -> str:
        """The address with everything that it needs, or with some of it changed."""
        given = {
            "timeout": 3,
            "tls": "on",
            "ca": self.ca,
            "username": "watcher",
            "password_file": self.password_file,
            "mechanism": "PLAIN",
        }
        query = "&".join(f"{name}={value}" for name, value in (given | changes).items() if value)
        return f"kafka://{self.server}/t?{query}"


@pytest.fixture(scope="module")
def guarded(broker: Topics, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The broker, running beside the run's own, where one can be had."""
    folder = tmp_path_factory.mktemp("tls")
    ca, pair = folder / "ca.pem", folder / "broker.pem"
    make_certificate(ca, pair)
    (folder / "password").write_text("hunter2\n")
    quorum = Quorum.of(1)
    node = quorum.nodes[0]
    settings = {
        "listeners": f"SASL_SSL://{node.address},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": f"SASL_SSL://{node.address}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": JAAS,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(pair),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca),
    }
    with Broker(quorum=quorum, properties=settings) as running:
        yield Guarded(running.address, ca, folder / "password")


def make_certificate(ca: Path, pair: Path) -> None:
    """A certificate for 127.0.0.1 that vouches for itself, and the same with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    pair.write_bytes(private + ca.read_bytes())


async def test_records_pass_with_the_right_login(guarded: Guarded) -> None:
    await KafkaLog.create(guarded.address())
    async with opened(guarded.address()) as log:
        await log.append(sealed(b"0", b"1"))
        assert await log.read(NOWHERE, 10) == numbered([b"0", b"1"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("password", "^no connection to Kafka at .*: .*Invalid username or password"),
        ("authority", "^no connection to Kafka at .*certificate verify failed"),
        ("no tls", "^Kafka at .* does not answer$"),
    ],
)
async def test_with_anything_less_nothing_is_opened(
    guarded: Guarded, tmp_path: Path, wrong: str, said: str
) -> None:
    other = tmp_path / "other"
    if wrong == "password":
        other.write_text("guess")
        address = guarded.address(password_file=other)
    elif wrong == "authority":
        make_certificate(other, tmp_path / "pair")
        address = guarded.address(ca=other)
    else:
        address = f"kafka://{guarded.server}/t?timeout=1"
    with pytest.raises(LogUnreachable) as refused:
        await KafkaLog.open(address)
    assert re.search(said, refused.value.message)
