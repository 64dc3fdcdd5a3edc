"""What a scenario is: named steps, each a small thing that somebody does.

A test runs the steps one by one and compares after each; the recorder writes down
what the API says meanwhile. After `Step.run` the StatefulSets that the step waits
for are at rest.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.lab.driver import Driver
from tests.lab.users import ALICE
from tests.lab.workloads import Workload


@dataclass(frozen=True)
class Step:
    """One named step of a scenario."""

    name: str
    act: Callable[[Driver], object]
    settles: bool = True
    """Whether the step ends only when the driver's namespace has come to rest."""

    def run(self, driver: Driver) -> None:
        """Do it, and wait if the step says so; raises if it went otherwise than meant."""
        driver.step = self.name
        self.act(driver)
        if self.settles:
            driver.settled()


@dataclass(frozen=True)
class Scenario:
    """A story in steps, with the volumes that its claims will bind to."""

    name: str
    steps: tuple[Step, ...]
    volumes: int
    storage_class: str = "lab"
    namespaces: tuple[str, ...] = ()
    """Fixed namespaces, the first one the driver's; none means any namespace will do."""


def kubectl(
    name: str, *arguments: str, user: str = ALICE, fails: bool = False, settles: bool = True
) -> Step:
    """A step of one kubectl command."""
    return Step(name, lambda driver: driver.run(*arguments, user=user, fails=fails), settles)


def apply(name: str, workload: Workload, *, user: str = ALICE) -> Step:
    """A step that applies a manifest."""
    return Step(name, lambda driver: applied(driver, workload, user=user))


def patch(name: str, target: str, change: Any, *, user: str = ALICE) -> Step:
    """A step that patches a StatefulSet: a dict merges, a list is a JSON patch."""
    return kubectl(name, *patch_arguments(target, change), user=user)


def applied(
    driver: Driver, workload: Workload, *, user: str = ALICE, namespace: str | None = None
) -> None:
    """Apply the workload's manifest in the namespace."""
    arguments = ("apply", "-f", "-")
    driver.run(*arguments, user=user, namespace=namespace, stdin=workload.manifest())


def patch_arguments(target: str, change: Any) -> tuple[str, ...]:
    """`kubectl patch` for a StatefulSet."""
    kind = "json" if isinstance(change, list) else "merge"
    return ("patch", f"sts/{target}", f"--type={kind}", "-p", json.dumps(change))


def partition(number: int) -> dict[str, Any]:
    """The merge patch that sets the rolling update's partition."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": number}}
    return {"spec": {"updateStrategy": strategy}}


def history_limit(number: int) -> dict[str, Any]:
    """The merge patch that sets how many old revisions Kubernetes keeps."""
    return {"spec": {"revisionHistoryLimit": number}}
