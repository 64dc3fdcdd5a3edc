"""A broker stops letting us in: told, tried again with the files read anew, never without TLS."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.errors import LogUnreachable, LogUnusable
from ledger.log.kafka import KafkaLog
from tests.breaking import QUICKLY
from tests.consuming import Consumer, envelopes, states
from tests.faults import row
from tests.invariants import examine
from tests.lab import build
from tests.lab.broker import Broker, Quorum
from tests.lab.process import clean_environment, free_ports
from tests.lab.topics import Topics
from tests.test_log_access import Guarded, make_certificate
from tests.test_log_kafka import opened

pytestmark = pytest.mark.kafka

ADMIN_LOGIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="admin" password="secret"'
)
SCRAM = "SCRAM-SHA-512"


@dataclass(frozen=True)
class Lockable:
    """A broker whose administrator may change the watcher's password."""

    guarded: Guarded
    broker: Broker
    folder: Path

    def set_password(self, password: str) -> None:
        """Return when the watcher's password is this one; whoever is connected stays so."""
        settings = self.folder / "admin.properties"
        settings.write_text(
            "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\n"
            f"sasl.jaas.config={ADMIN_LOGIN};\n"
            f"ssl.truststore.type=PEM\nssl.truststore.location={self.guarded.ca}\n"
        )
        change = ["--alter", "--entity-type", "users", "--entity-name", "watcher", "--add-config"]
        java = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{build.kafka_jars()}/*"]
        tool = [*java, "kafka.admin.ConfigCommand", "--bootstrap-server", self.guarded.server]
        subprocess.run(
            [*tool, f"--command-config={settings}", *change, f"{SCRAM}=[password={password}]"],
            env=clean_environment(),
            check=True,
            capture_output=True,
            timeout=60,
        )


@pytest.fixture(scope="module")
def lockable(broker: Topics, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lockable]:
    """The broker, running beside the run's own, where one can be had."""
    folder = tmp_path_factory.mktemp("login")
    ca, pair = folder / "ca.pem", folder / "broker.pem"
    make_certificate(ca, pair)
    quorum = Quorum.of(1)
    node = quorum.nodes[0]
    settings = {
        "listeners": f"SASL_SSL://{node.address},CONTROLLER://127.0.0.1:{node.controller_port}",
        "advertised.listeners": f"SASL_SSL://{node.address}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.enabled.mechanisms": f"PLAIN,{SCRAM}",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{ADMIN_LOGIN} user_admin="secret";',
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(pair),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(ca),
    }
    with Broker(quorum=quorum, properties=QUICKLY | settings) as running:
        yield Lockable(Guarded(running.address, ca, folder / "password"), running, folder)


@row("K19", how="SCRAM password changed, connections ended by a restart", part="real")
async def test_k19_a_login_that_expired_is_told_and_tried_again_with_the_file_read_anew(
    lockable: Lockable, tmp_path: Path
) -> None:
    await asyncio.to_thread(lockable.set_password, "first")
    lockable.guarded.password_file.write_text("first\n")
    address = lockable.guarded.address(mechanism=SCRAM)
    await KafkaLog.create(address)
    async with opened(address) as log:
        await log.append(envelopes(states(0, 5)))
        await asyncio.to_thread(lockable.set_password, "second")
        await asyncio.to_thread(lockable.broker.restart)
        for _ in range(2):
            async with asyncio.timeout(10):
                with pytest.raises(LogUnreachable) as wrong:
                    await log.append(envelopes(states(5, 10)))
            assert wrong.value.message == (
                f"no connection to Kafka at {lockable.guarded.server}: [Error 58] "
                "SaslAuthenticationFailed: Authentication failed during authentication due to "
                "invalid credentials with SASL mechanism SCRAM-SHA-512"
            )
        assert "password_file" in wrong.value.hint
        lockable.guarded.password_file.write_text("second\n")
        await log.append(envelopes(states(5, 10)))
    consumer = Consumer(tmp_path, address)
    await consumer.run()
    assert consumer.values() == states(0, 10)
    consumer.examine()


@pytest.fixture
async def eavesdropper() -> AsyncIterator[tuple[int, bytearray]]:
    """Somebody who takes connections without TLS, and writes down what is said."""
    heard = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.extend(await reader.read(4096))
        writer.close()

    (port,) = free_ports(1)
    async with await asyncio.start_server(listen, "127.0.0.1", port):
        yield port, heard


@row("K19", how="listener without TLS at the broker's address", part="fake")
async def test_k19_a_login_is_never_shown_without_tls(
    eavesdropper: tuple[int, bytearray], tmp_path: Path
) -> None:
    port, heard = eavesdropper
    (tmp_path / "password").write_text("hunter2\n")
    login = f"username=watcher&password_file={tmp_path / 'password'}&mechanism=PLAIN&timeout=1"
    for without in (f"?{login}", f"?tls=off&{login}"):
        with pytest.raises(LogUnusable, match=re.escape("only sent over TLS: add tls=on")):
            await KafkaLog.open(f"kafka://127.0.0.1:{port}/t{without}")
    assert not heard
    with pytest.raises(LogUnreachable):
        await KafkaLog.open(f"kafka://127.0.0.1:{port}/t?tls=on&{login}")
    handshake = b"\x16\x03"
    assert heard.startswith(handshake)
    assert b"hunter2" not in heard
    assert b"watcher" not in heard
    examine([])


@row("K19", how="broker reached under a name that its certificate does not have", part="real")
async def test_k19_a_certificate_for_another_host_is_not_accepted(lockable: Lockable) -> None:
    lockable.guarded.password_file.write_text("secret\n")
    right = lockable.guarded.address(username="admin")
    await KafkaLog.create(right)
    async with opened(right):
        pass
    with pytest.raises(LogUnreachable, match="Hostname mismatch"):
        await KafkaLog.open(right.replace("127.0.0.1", "localhost"))
    examine([])
