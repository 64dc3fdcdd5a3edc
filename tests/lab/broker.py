"""A real Kafka broker on loopback, in KRaft mode, without containers.

One broker is one Java process with its data in a temporary folder. It keeps its ports
over restarts, so clients can be watched while it dies and comes back. `brokers(3)`
makes three that form one cluster.
"""

from __future__ import annotations

import atexit
import base64
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tests.lab import build
from tests.lab.process import LabError, Process, answers, clean_environment, free_ports, wait_until
from tests.lab.topics import Topics

START_SECONDS = 60.0
JAVA = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Flags for a small process that starts quickly."""


@dataclass(frozen=True)
class Node:
    """A broker's place in its cluster."""

    number: int
    port: int
    controller_port: int

    @property
    def address(self) -> str:
        """Where clients reach it."""
        return f"127.0.0.1:{self.port}"

    @property
    def voter(self) -> str:
        """How the quorum knows it."""
        return f"{self.number}@127.0.0.1:{self.controller_port}"


@dataclass(frozen=True)
class Quorum:
    """The nodes that form one Kafka cluster, and its id."""

    nodes: tuple[Node, ...]
    cluster_id: str

    @classmethod
    def of(cls, count: int) -> Quorum:
        """A new cluster of `count` nodes on free ports."""
        ports = free_ports(2 * count)
        nodes = tuple(Node(number + 1, *ports[2 * number :][:2]) for number in range(count))
        return cls(nodes, base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))


class Broker(Topics):
    """A broker that runs between `start()` and `stop()`, or inside `with`."""

    def __init__(
        self,
        *,
        heap: str = "256m",
        properties: Mapping[str, str] | None = None,
        node: Node | None = None,
        quorum: Quorum | None = None,
    ) -> None:
        """Decide heap and extra server properties; alone unless a quorum is given."""
        self.quorum = quorum or Quorum.of(1)
        self.node = node or self.quorum.nodes[0]
        self.heap = heap
        self.properties = dict(properties or {})
        self.home = Path()
        self._process: Process | None = None

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return self.node.address

    def start(self, *, wait: bool = True) -> None:
        """Return when the broker answers; `wait=False` lets a whole quorum start at once."""
        if self.home == Path():
            self._format()
        command = (*self._java(), f"-Xms{self.heap}", f"-Xmx{self.heap}", "kafka.Kafka")
        self._process = Process(
            f"kafka-{self.node.number}",
            [*command, str(self.home / "server.properties")],
            log=self.home / "kafka.log",
        )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Return when the broker answers."""
        wait_until(
            lambda: answers(self.node.port),
            what=f"Kafka broker {self.node.number}",
            seconds=START_SECONDS,
            process=self._process,
        )

    def stop(self) -> None:
        """Return when the broker has ended and its data is gone."""
        self.halt(patience_seconds=2.0)
        if self.home != Path():
            shutil.rmtree(self.home, ignore_errors=True)
            self.home = Path()
        atexit.unregister(self.stop)

    def halt(self, *, patience_seconds: float = 15.0) -> None:
        """Return when the broker has ended in order; its data stays for the next `start`.

        The last brokers of a quorum cannot end in order: they are killed after a while.
        """
        if self._process:
            self._process.stop(patience_seconds=patience_seconds)
            self._process = None

    def kill(self) -> None:
        """End the broker as a crash would; `start` brings it back with its data."""
        if self._process:
            self._process.kill()
            self._process = None

    def restart(self) -> None:
        """Return when the broker has ended in order and answers again on the same ports."""
        self.halt()
        self.start()

    def _format(self) -> None:
        """Make the data folder and write the settings."""
        atexit.register(self.stop)
        self.home = Path(tempfile.mkdtemp(prefix="rollout-ledger-kafka-"))
        settings = self.home / "server.properties"
        lines = {**self._settings(), **self.properties}
        settings.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        tool = (*self._java(), "kafka.tools.StorageTool", "format")
        finished = subprocess.run(
            [*tool, f"--cluster-id={self.quorum.cluster_id}", "-c", str(settings)],
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if finished.returncode:
            raise LabError(f"Kafka could not format its folder: {finished.stderr.strip()}")

    def _settings(self) -> dict[str, str]:
        """The broker's server.properties."""
        copies = str(min(3, len(self.quorum.nodes)))
        client = f"PLAINTEXT://{self.node.address}"
        return {
            "process.roles": "broker,controller",
            "node.id": str(self.node.number),
            "controller.quorum.voters": ",".join(node.voter for node in self.quorum.nodes),
            "listeners": f"{client},CONTROLLER://127.0.0.1:{self.node.controller_port}",
            "advertised.listeners": client,
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.home / "data"),
            "default.replication.factor": copies,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": "1",
            "auto.create.topics.enable": "false",
        }

    def _java(self) -> tuple[str, ...]:
        """Java with Kafka's classes."""
        return ("java", *JAVA, "-cp", f"{build.kafka_jars()}/*")


def brokers(count: int, **options: str) -> list[Broker]:
    """`count` started brokers of one cluster; the caller stops each."""
    quorum = Quorum.of(count)
    made = [Broker(node=node, quorum=quorum, properties=options) for node in quorum.nodes]
    for each in made:
        each.start(wait=False)
    for each in made:
        each.wait()
    return made
