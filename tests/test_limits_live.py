"""The history limit on a control plane that keeps to it: how many revisions there are, and why the
others went.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from tests.cases import case
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.scenario import applied
from tests.lab.users import WATCHER
from tests.lab.workloads import Workload
from tests.line import Line

ROLLOUTS = 14
LIMIT = 10
WEB = Workload("web", "nginx:1.1", replicas=1, claims=0, history_limit=LIMIT)


def numbers(line: Line, *, live: bool) -> list[int]:
    """The set's revisions that the cluster has, or those that went by the limit."""
    rows = json.loads(line.run("history", "sts/web", "-n", line.namespace, "-o", "json"))["items"]
    wanted = [
        row["number"]
        for row in rows
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
