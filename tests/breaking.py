"""Brokers that a test may break: killed, cut off, or with data that is not what they wrote."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from ledger.log.kafka import KafkaLog
from tests.lab.broker import Broker, Quorum
from tests.lab.process import free_ports
from tests.proxy import Proxy

QUICKLY = {"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500"}
"""A broker that is killed and comes back takes part again within seconds."""


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Proxy, str, Broker]]:
    """A topic on a broker that is reached through a proxy alone; waits are of a second."""
    quorum = Quorum.of(1)
    (port,) = free_ports(1)
    through = {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}"}
    running = Broker(quorum=quorum, properties=QUICKLY | through)
    async with Proxy(port, quorum.nodes[0].port) as proxy:
        await asyncio.to_thread(running.start)
        try:
            address = f"kafka://127.0.0.1:{port}/t?timeout=1"
            await KafkaLog.create(address)
            yield proxy, address, running
        finally:
            proxy.heal()
            await asyncio.to_thread(running.stop)


@contextmanager
def halted(broker: Broker) -> Iterator[Path]:
    """The folder of a broker's data while it is not running; afterwards it runs again."""
    broker.halt()
    try:
        yield broker.home / "data"
    finally:
        broker.start()


def segment(broker: Broker, topic: str) -> Path:
    """The file that holds the topic's records."""
    (found,) = (broker.home / "data" / f"{topic}-0").glob("*.log")
    return found


def batch_starts(path: Path) -> list[int]:
    """Where each batch of a segment file begins: its header tells its length."""
    content, starts, place = path.read_bytes(), [], 0
    while place + 12 <= len(content):
        length = int.from_bytes(content[place + 8 : place + 12], "big")
        if not length:
            break
        starts.append(place)
        place += 12 + length
    return starts


def cut_segment(broker: Broker, topic: str, *, batches: int) -> None:
    """Lose all but the first batches of a topic, as a machine that lost power does; the broker
    must not be running."""
    path = segment(broker, topic)
    with path.open("r+b") as file:
        file.truncate(batch_starts(path)[batches])
    for stale in (*path.parent.glob("*.index"), *path.parent.glob("*.timeindex")):
        stale.unlink()
    (broker.home / "data" / ".kafka_cleanshutdown").unlink(missing_ok=True)


def keep_copy(broker: Broker) -> Path:
    """A copy of the broker's data; the broker must not be running."""
    copy = broker.home / "copy"
    shutil.copytree(broker.home / "data", copy)
    return copy


def put_back(broker: Broker, copy: Path) -> None:
    """The broker's data is the copy's; the broker must not be running."""
    shutil.rmtree(broker.home / "data")
    shutil.copytree(copy, broker.home / "data")
