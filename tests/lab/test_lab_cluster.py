"""The control plane behaves as the tests that stand on it assume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.lab.cluster import Cluster
from tests.lab.control_plane import ControlPlane
from tests.lab.driver import Driver
from tests.lab.outside import KUBECONFIG, LABEL, OutsideCluster, outside_kubeconfig
from tests.lab.process import LabError
from tests.lab.scenario import applied
from tests.lab.scenarios import random_steps
from tests.lab.settling import stuck_pods, under_way
from tests.lab.tutorial import WEB
from tests.lab.users import ADMIN, BOB, DEPLOYER, NOBODY, WATCHER

CAN = """statefulsets controllerrevisions pods persistentvolumeclaims persistentvolumes events"""


def own(cluster: Cluster) -> ControlPlane:
    """The cluster as our own control plane; skips where tests run on an outside one."""
    if not isinstance(cluster, ControlPlane):
        pytest.skip("needs a control plane of our own")
    return cluster


def test_a_statefulset_comes_up_and_history_is_kubectls_own(driver: Driver) -> None:
    applied(driver, WEB)
    found = driver.settled("web")
    assert len(found.raw["pods"]) == 3
    expected = "statefulset.apps/web \nREVISION  CHANGE-CAUSE\n1         initial 1.24\n\n"
    assert driver.history("web") == expected
    assert set(driver.live_versions()) == set(found.versions())


def test_a_bad_image_and_its_rollback_are_stuck_until_the_pod_is_deleted(driver: Driver) -> None:
    applied(driver, WEB)
    driver.settled()
    driver.run("set", "image", "sts/web", "nginx=nginx:1.25-bad", user=DEPLOYER)
    assert stuck_pods(driver.settled()) == ["web-2"]
    driver.run("rollout", "undo", "sts/web", user=BOB)
    found = driver.settled()
    status = found.raw["statefulsets"][0]["status"]
    assert stuck_pods(found) == ["web-2"]
    assert status["currentRevision"] == status["updateRevision"]
    driver.run("delete", "pod", "web-2")
    assert stuck_pods(driver.settled()) == []


def test_a_pod_that_no_node_has_room_for_just_now_is_waited_for(
    control_plane: Cluster, driver: Driver
) -> None:
    own(control_plane).administer("cordon", "node-a", "node-b")
    try:
        applied(driver, WEB)
        found = driver.wait_for(
            lambda found: "Unschedulable" in str(found.raw["pods"]), "a refusal"
        )
        assert under_way(found)
        assert not stuck_pods(found)
    finally:
        control_plane.administer("uncordon", "node-a", "node-b")
    assert len(driver.settled().raw["pods"]) == 3


@pytest.mark.parametrize("verb", ["get", "list", "watch"])
def test_the_watcher_may_read_what_it_watches_and_no_more(driver: Driver, verb: str) -> None:
    for kind in CAN.split():
        driver.run("auth", "can-i", verb, kind, "-A", user=WATCHER)
    for kind in ("secrets", "nodes", "namespaces"):
        driver.run("auth", "can-i", verb, kind, "-A", user=WATCHER, fails=True)
    driver.run("get", "namespace", "kube-system", user=WATCHER)
    driver.run("delete", "sts", "web", user=WATCHER, fails=True)


def test_nobody_may_do_nothing(driver: Driver) -> None:
    refused = driver.run("get", "sts", user=NOBODY, fails=True)
    assert "forbidden" in refused.stderr


def test_the_audit_log_names_people_and_controllers(control_plane: Cluster, driver: Driver) -> None:
    log = own(control_plane).audit_log
    applied(driver, WEB, user=BOB)
    driver.settled()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    ours = [row for row in events if row["objectRef"].get("namespace") == driver.namespace]
    users = {(row["objectRef"]["resource"], row["user"]["username"]) for row in ours}
    controller = "system:serviceaccount:kube-system:statefulset-controller"
    assert ("statefulsets", BOB) in users
    assert ("pods", controller) in users
    assert all(row["level"] == "RequestResponse" for row in ours)


def test_random_stories_are_valid_on_the_real_thing(driver: Driver) -> None:
    for step in random_steps(seed=7, count=15):
        step.run(driver)


def test_an_apiserver_that_is_restarted_or_killed_comes_back_on_its_port(
    control_plane: Cluster,
) -> None:
    own(control_plane)
    with ControlPlane() as separate:
        server = separate.server
        separate.restart_apiserver()
        separate.kill_apiserver()
        separate.start_apiserver()
        assert separate.server == server
        driver = Driver(separate, "default")
        separate.make_volumes(3)
        applied(driver, WEB)
        assert len(driver.settled().raw["pods"]) == 3


def test_an_outside_cluster_must_say_that_it_is_disposable(control_plane: Cluster) -> None:
    given = own(control_plane).kubeconfig(ADMIN)
    with pytest.raises(LabError, match=f"no label {LABEL}=disposable"):
        OutsideCluster(given)
    control_plane.administer("label", "namespace", "kube-system", f"{LABEL}=disposable")
    try:
        outside = OutsideCluster(given)
        driver = Driver(outside, "default")
        assert driver.run("auth", "whoami", "-o", "name", user=BOB).exit == 0
        assert "forbidden" in driver.run("get", "sts", user=NOBODY, fails=True).stderr
        outside.stop()
    finally:
        control_plane.administer("label", "namespace", "kube-system", f"{LABEL}-")


def test_an_outside_cluster_is_never_taken_from_kubeconfig(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(KUBECONFIG, raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "production"))
    assert outside_kubeconfig() is None
