"""What the tests of `undo` share: it as somebody on a real cluster, as a command and as an API."""

from __future__ import annotations

import io
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.cli import run
from ledger.cluster import Cluster as Connection
from ledger.log.sqlite import LogFile
from ledger.reader import LocalReader
from ledger.sealing import Identities
from ledger.undo import History
from tests.invariants import examine
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.users import ALICE, WATCHER
from tests.lab.workloads import Workload
from tests.line import Line

Raw = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    exit: int
    stdout: str
    stderr: str


@dataclass
class Scene:
    """A namespace in which things are rolled out, and the line that records it."""

    driver: Driver
    line: Line

    @property
    def namespace(self) -> str:
        """Where all of it is."""
        return self.driver.namespace

    def undo(self, *arguments: str, user: str = ALICE) -> Said:
        """`rollout-ledger undo` as somebody, with the line's ledger."""
        return called(self.driver, *arguments, "--data", str(self.line.data), user=user)

    def rolled_out(self, *editions: Workload) -> None:
        """Apply one edition after the other, each once the one before rests; then all is
        recorded.
        """
        for edition in editions:
            self.driver.run("apply", "-f", "-", stdin=edition.manifest())
            self.driver.settled(edition.name)
        self.recorded()

    def recorded(self) -> None:
        """Return when all is at rest and the ledger where the cluster is."""
        self.line.wait_for(self.driver.settled().versions(), seconds=20.0)

    def raw_set(self, name: str) -> Raw:
        """The StatefulSet as it is."""
        return self.driver.get("statefulsets", name)

    def image(self, name: str) -> str:
        """The image that its template names."""
        image: str = self.raw_set(name)["spec"]["template"]["spec"]["containers"][0]["image"]
        return image

    def pods(self, name: str) -> dict[str, str]:
        """The uid of each of its pods, by name."""
        raw_pods = self.driver.api.items("pods", self.namespace)
        metadata = [raw_pod["metadata"] for raw_pod in raw_pods]
        return {each["name"]: each["uid"] for each in metadata if each["name"].startswith(name)}

    def history(self, identities: Identities | None = None) -> History:
        """The line's ledger and log."""
        log = LogFile.open(self.line.data / "log" / "log.db", writable=False)
        return History(LocalReader(self.line.ledger), log.get, identities)

    def examined(self) -> None:
        """Assert the invariants of what was recorded so far."""
        examine(self.line.data / "log" / "log.db")


@contextmanager
def scene(cluster: Cluster, folder: Path, *watching: str) -> Iterator[Scene]:
    """A namespace of its own, recorded from its beginning."""
    namespace = f"u-{uuid.uuid4().hex[:8]}"
    cluster.make_namespace(namespace)
    cluster.make_volumes(6, prefix=namespace)
    try:
        kubeconfig = cluster.kubeconfig(WATCHER)
        with Line(folder / "line", kubeconfig, namespace, watching=watching) as line:
            yield Scene(Driver(cluster, namespace), line)
    finally:
        cluster.delete_namespace(namespace)
        cluster.delete_volumes(namespace)


@asynccontextmanager
async def connected(cluster: Cluster, user: str = ALICE) -> AsyncIterator[Connection]:
    """A connection to the API server as somebody."""
    connection = await Connection.connect(str(cluster.kubeconfig(user)), None)
    try:
        yield connection
    finally:
        await connection.close()


def called(driver: Driver, *arguments: str, user: str = ALICE) -> Said:
    """`rollout-ledger undo` as somebody, in the driver's namespace; within this process, which
    saves starting one.
    """
    access = ("--kubeconfig", str(driver.cluster.kubeconfig(user)), "-n", driver.namespace)
    # A command has an event loop of its own, as in a process of its own.
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(ran, ["undo", *arguments, *access]).result(60)


def ran(arguments: list[str]) -> Said:
    """What a command says, run within this process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr):
        code = run(arguments)
    return Said(code, stdout.getvalue(), stderr.getvalue())


def command(driver: Driver, *arguments: str, user: str = ALICE) -> list[str]:
    """The same as a process."""
    access = ("--kubeconfig", str(driver.cluster.kubeconfig(user)), "-n", driver.namespace)
    return [sys.executable, "-m", "ledger", "undo", *arguments, *access]
