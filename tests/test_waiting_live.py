"""What `status` says while a real controller waits: for pods that it will not update, and for a
claim that it will not use.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.log.sqlite import LogFile
from ledger.model import timestamp, utc_now
from ledger.reader import LocalReader
from ledger.status import Standing, standing_at
from tests.cases import case
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.rollouts_scenario import small
from tests.lab.scenario import applied, patch_arguments
from tests.lab.settling import Snapshot
from tests.lab.users import ADMIN, WATCHER
from tests.lab.workloads import Workload
from tests.line import Line

FINALIZER = "example.com/keep"
CLAIM = "data-web-1"
DELETING: dict[str, Any] = {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}
WEB = Workload("web", "nginx:1.25", replicas=2, spec=DELETING)
STILL_SECONDS = 2.0
PATIENCE = timedelta(minutes=11)


def spread(allowed: int | str, partition: int) -> dict[str, Any]:
    """A rolling update of the highest pods."""
    rolling = {"partition": partition, "maxUnavailable": allowed}
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}


@pytest.fixture
def line(control_plane: Cluster, namespace: str, tmp_path: Path) -> Iterator[Line]:
    """A line with the embedded log that watches one namespace."""
    with Line(tmp_path / "line", control_plane.kubeconfig(WATCHER), namespace) as running:
        yield running


def lines_of(line: Line, *more: str) -> list[str]:
    """What `status` prints of the set."""
    asked = ("status", "sts/web", "-n", line.namespace, *(more or ("--watch=false",)))
    return line.run(*asked).splitlines()


def images(found: Snapshot) -> list[str]:
    """The image of each pod of the set, by ordinal."""
    pods = sorted(found.raw["pods"], key=lambda raw: str(raw["metadata"]["name"]))
    return [str(raw["spec"]["containers"][0]["image"]) for raw in pods]


@case(45, stream="live")
@pytest.mark.timeout(120)
def test_a_sick_pod_below_the_partition_uses_up_a_third_of_three_which_is_one(
    driver: Driver, line: Line
) -> None:
    web = small("web", pods="Parallel", strategy="", spec=spread("34%", 1))
    applied(driver, replace(web, image="nginx:1.24-bad"))
    driver.settled()
    for image in ("nginx:1.25", "nginx:1.26"):
        applied(driver, replace(web, image=image))
        found = driver.settled()
    # Rounded up it would be two: web-1 and web-2 would go, one after the other.
    assert images(found) == ["nginx:1.24-bad", "nginx:1.25", "nginx:1.25"]
    line.wait_for(found.versions())
    at = timestamp(utc_now())
    told = "  1 of 1 allowed unavailable: web-0 (below the partition)"
    assert told in lines_of(line)
    assert any(each.startswith("! Stalled: web-0: ") for each in lines_of(line))
    applied(driver, replace(web, image="nginx:1.26", spec=spread("67%", 1)))
    found = driver.settled()
    assert images(found) == ["nginx:1.24-bad", "nginx:1.26", "nginx:1.26"]
    line.wait_for(found.versions())
    assert line.items("status", "sts/web", "-n", line.namespace)[0]["phase"] == "staged"
    assert told in lines_of(line, "--as-of", at)


@case(63, stream="live")
@pytest.mark.timeout(120)
def test_no_pod_is_made_for_the_claim_of_an_earlier_one_and_status_names_both(
    driver: Driver, line: Line, namespace: str
) -> None:
    applied(driver, WEB)
    uids = {raw["metadata"]["name"]: raw["metadata"]["uid"] for raw in driver.settled().raw["pods"]}
    finalizers(driver, [FINALIZER, "kubernetes.io/pvc-protection"])
    driver.run("scale", "sts/web", "--replicas=1")
    driver.wait_for(lambda found: is_going(found) and len(found.raw["pods"]) == 1, "one pod")
    driver.run("scale", "sts/web", "--replicas=2")
    found = driver.wait_for(lambda found: has_seen(found, generation=3), "the scale seen")
    line.wait_for(found.versions())
    (told,) = line.items("status", "sts/web", "-n", namespace)
    assert (told["phase"], told["stale_claims"][0]["claim"]) == ("progressing", CLAIM)
    assert f"waits for claim {CLAIM} of an earlier web-1 to go" in "\n".join(lines_of(line))
    (blocker,) = later(line, told["workload_uid"]).verdict.blockers
    assert (blocker.pod, blocker.reason) == ("web-1", "StaleClaim")
    assert blocker.message == (
        f"claim {CLAIM} is owned by an earlier Pod web-1 (uid {uids['web-1']}): "
        f"no pod is made until the claim is gone, which finalizer {FINALIZER} holds"
    )
    finalizers(driver, [])
    driver.wait_for(lambda found: len(found.raw["persistentvolumeclaims"]) == 1, "its end")
    # Nothing tells the controller of a claim's end: it looks again when the set or a pod changes.
    time.sleep(STILL_SECONDS)
    assert len(driver.snapshot().raw["pods"]) == 1
    driver.run(*patch_arguments("web", {"metadata": {"annotations": {"example.com/look": "1"}}}))
    line.wait_for(driver.settled().versions())
    assert line.items("status", "sts/web", "-n", namespace)[0]["phase"] == "complete"


def finalizers(driver: Driver, names: list[str]) -> None:
    """Write what holds the claim."""
    change = json.dumps({"metadata": {"finalizers": names}})
    driver.run("patch", "pvc", CLAIM, "--type=merge", "-p", change, user=ADMIN)


def is_going(found: Snapshot) -> bool:
    """Whether the garbage collector has asked for the claim's end."""
    claims = {
        raw["metadata"]["name"]: raw["metadata"] for raw in found.raw["persistentvolumeclaims"]
    }
    return "deletionTimestamp" in claims[CLAIM]


def has_seen(found: Snapshot, *, generation: int) -> bool:
    """Whether the controller has seen that generation of the set."""
    (raw_set,) = found.raw["statefulsets"]
    return bool(raw_set["status"]["observedGeneration"] == generation)


def later(line: Line, uid: str) -> Standing:
    """How the set stands when nothing more is recorded for longer than a pod is waited for."""
    at = timestamp(utc_now() + PATIENCE)
    with LogFile.open(line.data / "log" / "log.db", writable=False) as log:
        return standing_at(LocalReader(line.ledger), log.get, uid, at)
