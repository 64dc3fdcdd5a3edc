"""The history limit on a control plane that keeps to it: how many revisions there are, and why the
others went.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from tests.cases import case
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.scenario import applied, history_limit, patch_arguments
from tests.lab.settling import Snapshot
from tests.lab.users import ADMIN, WATCHER
from tests.lab.workloads import Workload
from tests.line import Line

ROLLOUTS = 14
LIMIT = 10
WEB = Workload("web", "nginx:1.1", replicas=1, claims=0, history_limit=LIMIT)
BY_HAND = replace(WEB, replicas=2, strategy="OnDelete")
LOOKED_SECONDS = 2.5
"""So long a pod has been there that it surely counts: more than the fold's slack."""


def numbers(line: Line, *, live: bool) -> list[int]:
    """The set's revisions that the cluster has, or those that went by the limit."""
    wanted = [
        row["number"]
        for row in line.items("history", "sts/web", "-n", line.namespace)
        if (row["live"] if live else row["pruned_why"] == f"history limit {LIMIT}")
    ]
    return sorted(wanted)


@case(17, stream="live")
def test_a_limit_of_ten_leaves_eleven_at_rest_and_twelve_in_a_rollout(
    control_plane: Cluster, driver: Driver, namespace: str, tmp_path: Path
) -> None:
    with Line(tmp_path / "line", control_plane.kubeconfig(WATCHER), namespace) as line:
        for number in range(1, ROLLOUTS + 1):
            applied(driver, replace(WEB, image=f"nginx:1.{number}"))
            driver.settled("web")
        line.wait_for(driver.settled("web").versions())
        listed = driver.names("controllerrevisions")
        assert len(listed) == LIMIT + 1
        assert numbers(line, live=True) == list(range(ROLLOUTS - LIMIT, ROLLOUTS + 1))
        assert numbers(line, live=False) == list(range(1, ROLLOUTS - LIMIT))
        # What a pod still runs is kept beside the ten: nothing more goes until the rollout is done.
        applied(driver, replace(WEB, image="nginx:2-bad"))
        line.wait_for(driver.settled("web").versions())
        assert len(driver.names("controllerrevisions")) == LIMIT + 2
        assert len(numbers(line, live=True)) == LIMIT + 2


@case(19, stream="live")
def test_a_pod_stuck_on_an_old_revision_protects_it_and_who_deletes_it_is_told_from_the_limit(
    control_plane: Cluster, driver: Driver, namespace: str, tmp_path: Path
) -> None:
    with Line(tmp_path / "line", control_plane.kubeconfig(WATCHER), namespace) as line:
        for number in range(1, 6):
            applied(driver, replace(BY_HAND, image=f"nginx:1.{number}"))
            driver.settled("web")
            if number == 2:
                driver.run("delete", "pod", "web-1")
                stuck = _revision_of(driver.settled("web"), "web-1")
        time.sleep(LOOKED_SECONDS)
        # Of the five, pods are on the first (current) and second, and the fifth is the update.
        driver.run(*patch_arguments("web", history_limit(1)))
        driver.wait_for(lambda now: len(now.raw["controllerrevisions"]) == 4, "the limit's work")
        assert reasons(line, driver) == {1: None, 2: None, 3: "history limit 1", 4: None, 5: None}
        driver.run("delete", "controllerrevision", stuck, user=ADMIN)
        told = reasons(line, driver)
        assert told == {1: None, 2: "deleted by hand", 3: "history limit 1", 4: None, 5: None}


def reasons(line: Line, driver: Driver) -> dict[int, str | None]:
    """Why each of the set's revisions went, as soon as the ledger knows what the cluster has."""
    line.wait_for(driver.settled("web").versions())
    rows = line.items("history", "sts/web", "-n", line.namespace)
    return {row["number"]: row["pruned_why"] for row in rows}


def _revision_of(snapshot: Snapshot, pod: str) -> str:
    (raw_pod,) = [raw for raw in snapshot.raw["pods"] if raw["metadata"]["name"] == pod]
    return str(raw_pod["metadata"]["labels"]["controller-revision-hash"])
