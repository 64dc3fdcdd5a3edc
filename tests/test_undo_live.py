"""`undo` on a control plane that really rolls back, beside `kubectl rollout undo` on a twin."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.users import ALICE, WATCHER
from tests.lab.workloads import Workload
from tests.line import Line, environment

WEB = Workload("web", "app:1.0", replicas=2, claims=0)


@pytest.fixture
def line(control_plane: Cluster, namespace: str, tmp_path: Path) -> Iterator[Line]:
    """A line with the embedded log that watches one namespace."""
    with Line(tmp_path / "line", control_plane.kubeconfig(WATCHER), namespace) as running:
        yield running


def undo(
    driver: Driver, *arguments: str, user: str = ALICE, data: Path | str = "/nonexistent"
) -> subprocess.CompletedProcess[str]:
    """`rollout-ledger undo` as somebody."""
    access = ("--kubeconfig", str(driver.cluster.kubeconfig(user)), "-n", driver.namespace)
    command = [sys.executable, "-m", "ledger", "undo", *arguments, *access, "--data", str(data)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment(), check=False
    )


def rolled_out(driver: Driver, *editions: Workload) -> None:
    """Apply one edition after the other, each once the one before rests."""
    for edition in editions:
        driver.run("apply", "-f", "-", stdin=edition.manifest())
        driver.settled(edition.name)


def test_the_previous_template_comes_back(driver: Driver, line: Line) -> None:
    rolled_out(driver, WEB, replace(WEB, image="app:2.0"))
    line.wait_for(driver.live_versions())
    done = undo(driver, "sts/web", "-y", "--reason", "2.0 leaks", data=line.data)
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    raw_set = driver.get("statefulsets", "web")
    assert raw_set["spec"]["template"]["spec"]["containers"][0]["image"] == "app:1.0"
    driver.settled("web")
    line.wait_for(driver.live_versions())
    print(line.run("history", "sts/web", "-n", driver.namespace))


STUCK = replace(WEB, name="stuck", replicas=3)


def test_a_stuck_rollback_is_healed_by_one_command(driver: Driver, line: Line) -> None:
    rolled_out(driver, STUCK, replace(STUCK, image="app:2.0-bad"))
    line.wait_for(driver.live_versions())
    before = {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in pods(driver)}
    done = undo(
        driver, "sts/stuck", "-y", "--unstick", "--wait", "--timeout", "30s", data=line.data
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    driver.settled("stuck")
    gone = before.keys() - {pod["metadata"]["uid"] for pod in pods(driver)}
    assert [before[uid] for uid in gone] == ["stuck-2"]


def pods(driver: Driver) -> list[dict[str, Any]]:
    return driver.api.items("pods", driver.namespace)
