"""The rollback that waits for ever, on a control plane that really waits: told within a heartbeat,
with the pod and what heals it; and what only looks like it is not told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.reader import LocalReader
from ledger.status import Standing, remedies, standing
from ledger.watcher import HEARTBEAT_SECONDS
from tests.cases import case
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.rollouts_scenario import BY_HAND, IN_PARALLEL, PARTITIONED, STICKING, image, small
from tests.lab.scenario import apply
from tests.lab.users import WATCHER
from tests.line import Line

BORN = replace(small("born", strategy=""), image="nginx:1.24-bad")
STUCK = "a rollback that sticks"
LOOK_ALIKE = {
    "undone, hand-1 waits for a hand": "hand",
    "undone, and wide heals by itself": "wide",
    "undone below the partition": "held",
    "undone while the bad pod is going": "ending",
    "a bad image for stuck": "stuck",
    "healed by deleting the pod": "stuck",
}


@pytest.fixture
def line(control_plane: Cluster, namespace: str, tmp_path: Path) -> Iterator[Line]:
    """A line with the embedded log that watches one namespace."""
    with Line(tmp_path / "line", control_plane.kubeconfig(WATCHER), namespace) as running:
        yield running


def standing_of(line: Line, namespace: str, name: str) -> Standing:
    """How the set stands in the ledger."""
    reader = LocalReader(line.ledger)
    rows = reader.query("incarnations", {"namespace": namespace, "name": name})
    return standing(reader, rows[0]["uid"])


def traps(line: Line, namespace: str, name: str) -> list[tuple[str, str, str]]:
    """The pods that are told to hold up a set for ever, why, and what heals them."""
    stands = standing_of(line, namespace, name)
    found = [each for each in stands.verdict.blockers if each.is_trap]
    assert not found or stands.verdict.phase == "stalled"
    return [(each.pod, each.reason, remedies(stands, each)[0][0]) for each in found]


@case(47, stream="live")
@case(48, stream="live")
@pytest.mark.timeout(240)
def test_a_stuck_rollback_is_told_within_a_heartbeat_and_its_look_alikes_are_not(
    driver: Driver, line: Line, namespace: str
) -> None:
    told = {}
    for step in (*BY_HAND, *IN_PARALLEL, *PARTITIONED, *STICKING):
        step.run(driver)
        if step.name == STUCK or step.name in LOOK_ALIKE:
            line.wait_for(driver.live_versions(), seconds=HEARTBEAT_SECONDS)
            told[step.name] = traps(line, namespace, LOOK_ALIKE.get(step.name, "stuck"))
    heals = f"rollout-ledger undo sts/stuck -n {namespace} --unstick"
    assert told.pop(STUCK) == [("stuck-4", "ImagePullBackOff", heals)]
    assert told == {step: [] for step in LOOK_ALIKE}


@case(47, stream="live")
@pytest.mark.timeout(120)
def test_a_set_that_never_came_up_stays_so_on_a_mended_template_until_its_pod_is_deleted(
    driver: Driver, line: Line, namespace: str
) -> None:
    apply("born with a bad image", BORN).run(driver)
    line.wait_for(driver.live_versions(), seconds=HEARTBEAT_SECONDS)
    stands = standing_of(line, namespace, "born")
    (blocker,) = stands.verdict.blockers
    # There is no revision before the first to go back to.
    assert (blocker.pod, blocker.is_trap, remedies(stands, blocker)) == ("born-0", False, [])
    image("a good image", "born", "1.25").run(driver)
    line.wait_for(driver.live_versions(), seconds=HEARTBEAT_SECONDS)
    heals = f"kubectl delete pod born-0 -n {namespace}"
    assert traps(line, namespace, "born") == [("born-0", "ImagePullBackOff", heals)]
    driver.run(*heals.split()[1:])
    driver.settled("born")
    line.wait_for(driver.live_versions(), seconds=HEARTBEAT_SECONDS)
    assert standing_of(line, namespace, "born").verdict.phase == "complete"
