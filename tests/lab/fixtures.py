"""The lab as pytest fixtures: one control plane and one broker for the whole run.

Each test gets a namespace or a topic of its own. A test that stops or restarts things
starts a `ControlPlane` or `Broker` of its own instead. Where a real part cannot be had
the test is skipped with the reason, and the run's header says so; with
ROLLOUT_LEDGER_REQUIRE_REAL=1 it fails instead.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Callable, Iterator
from typing import TypeVar

import pytest

from tests.lab import build
from tests.lab.broker import Broker
from tests.lab.cluster import Cluster
from tests.lab.control_plane import ControlPlane
from tests.lab.driver import Driver
from tests.lab.outside import OutsideCluster, outside_broker, outside_kubeconfig
from tests.lab.topics import Topics

MARKERS = {"control_plane": "cluster", "broker": "kafka"}
VOLUMES = 12
FORGETFUL = ("--watch-cache-sizes=persistentvolumes#0", "--etcd-compaction-interval=5s")

Made = TypeVar("Made")


def pytest_configure(config: pytest.Config) -> None:
    """Make the markers known."""
    config.addinivalue_line("markers", "cluster: needs a real Kubernetes control plane")
    config.addinivalue_line("markers", "kafka: needs a real Kafka broker")


def pytest_report_header() -> list[str]:
    """Say which real parts are missing on this machine."""
    return [f"lab: {line}" for line in build.missing()]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses a real part."""
    for item in items:
        for fixture, marker in MARKERS.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the collected tests need now: minutes, the first time, and no test's fault."""
    if session.config.option.collectonly:
        return
    used = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    needed: list[Callable[[], object]] = []
    if "control_plane" in used and not outside_kubeconfig():
        needed.append(build.control_plane_bin)
    if "broker" in used and not outside_broker():
        needed.append(build.kafka_jars)
    for make in needed:
        with contextlib.suppress(build.BuildError):  # the fixture will say so
            make()


@pytest.fixture(scope="session")
def control_plane() -> Iterator[Cluster]:
    """The run's cluster: our own control plane, or the disposable one that was named."""
    if kubeconfig := outside_kubeconfig():
        outside = OutsideCluster(kubeconfig)
        yield outside
        outside.stop()
        return
    _made_or_missing(build.control_plane_bin)
    with ControlPlane() as running:
        yield running


@pytest.fixture(scope="session")
def breakable(control_plane: Cluster) -> Iterator[ControlPlane]:
    """A control plane that tests may break, one after the other, and leave working.

    It forgets early: etcd keeps history for seconds, and volumes have no watch cache, so no
    bookmarks either.
    """
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("an outside cluster is not ours to break")
    with ControlPlane(apiserver_flags=FORGETFUL) as running:
        running.make_volumes(VOLUMES)
        yield running


@pytest.fixture
def namespace(control_plane: Cluster) -> Iterator[str]:
    """A fresh namespace with a dozen volumes of storage class `lab` to bind."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    control_plane.make_namespace(name)
    control_plane.make_volumes(VOLUMES, prefix=name)
    yield name
    control_plane.delete_namespace(name)
    control_plane.delete_volumes(name)


@pytest.fixture
def driver(control_plane: Cluster, namespace: str) -> Driver:
    """People with kubectl in the test's namespace."""
    return Driver(control_plane, namespace)


@pytest.fixture(scope="session")
def broker() -> Iterator[Topics]:
    """The run's broker: our own, or the one that was named."""
    if outside := outside_broker():
        yield outside
        return
    _made_or_missing(build.kafka_jars)
    with Broker() as running:
        yield running


@pytest.fixture
def topic(broker: Topics) -> Iterator[str]:
    """A fresh topic of one partition."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    broker.create_topic(name)
    yield name
    broker.delete_topic(name)


def _made_or_missing(make: Callable[[], Made]) -> Made:
    """What `make` builds; without it the test is skipped, or fails if it must be real."""
    try:
        return make()
    except build.BuildError as reason:
        if os.environ.get("ROLLOUT_LEDGER_REQUIRE_REAL") == "1":
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))
