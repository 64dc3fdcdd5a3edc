"""What is read in a pod, whole and with everything left out, and why it is said not to be ready."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import PoisonRecord
from ledger.rollout.pods import Container, PodState, ordinal_of, pod_state

OWNER = {"kind": "StatefulSet", "name": "web", "uid": "s", "controller": True}
BARE: dict[str, Any] = {"metadata": {"name": "web-0", "uid": "p"}}
WHOLE: dict[str, Any] = {
    "metadata": {
        "name": "web-12",
        "namespace": "shop",
        "uid": "p",
        "labels": {"controller-revision-hash": "web-1"},
        "ownerReferences": [OWNER],
        "creationTimestamp": "2026-11-01T00:00:01Z",
        "deletionTimestamp": "2026-11-01T00:00:09Z",
    },
    "spec": {
        "nodeName": "node-1",
        "initContainers": [{"name": "init", "image": "init:1"}],
        "containers": [{"name": "app", "image": "app:1"}, {"name": "late", "image": "late:1"}],
        "volumes": [
            {"name": "config", "configMap": {"name": "c"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-12"}},
        ],
    },
    "status": {
        "phase": "Running",
        "startTime": "2026-11-01T00:00:03Z",
        "conditions": [
            {
                "type": "PodScheduled",
                "status": "True",
                "lastTransitionTime": "2026-11-01T00:00:02Z",
            },
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-01T00:00:04Z"},
        ],
        "initContainerStatuses": [{"name": "init", "imageID": "sha256:i", "restartCount": 1}],
        "containerStatuses": [{"name": "app", "imageID": "sha256:a", "restartCount": 3}],
    },
}


def test_a_pod_is_read_whole() -> None:
    assert pod_state(WHOLE) == PodState(
        uid="p",
        namespace="shop",
        name="web-12",
        ordinal=12,
        revision="web-1",
        owner_uid="s",
        owner_name="web",
        node="node-1",
        phase="Running",
        ready=True,
        reason="",
        message="",
        restarts=4,
        created_at="2026-11-01T00:00:01.000000Z",
        scheduled_at="2026-11-01T00:00:02.000000Z",
        started_at="2026-11-01T00:00:03.000000Z",
        ready_changed_at="2026-11-01T00:00:04.000000Z",
        terminating_at="2026-11-01T00:00:09.000000Z",
        containers=(
            Container("init", "init:1", "sha256:i"),
            Container("app", "app:1", "sha256:a"),
            Container("late", "late:1", ""),
        ),
        claims=(("data", "data-web-12"),),
    )


def test_what_a_pod_leaves_out_is_empty() -> None:
    assert pod_state(BARE) == PodState(
        uid="p",
        namespace="",
        name="web-0",
        ordinal=0,
        revision="",
        owner_uid="",
        owner_name="",
        node="",
        phase="",
        ready=False,
        reason="",
        message="",
        restarts=0,
        created_at=None,
        scheduled_at=None,
        started_at=None,
        ready_changed_at=None,
        terminating_at=None,
        containers=(),
        claims=(),
    )
    nameless = {"containers": [{}], "volumes": [{"persistentVolumeClaim": {"claimName": "c"}}]}
    found = pod_state(BARE | {"spec": nameless, "status": {"containerStatuses": [{"name": ""}]}})
    assert (found.containers, found.claims, found.restarts) == (
        (Container("", "", ""),),
        (("", "c"),),
        0,
    )


@pytest.mark.parametrize("owner", [{}, {"uid": "s"}, {"name": "web"}])
def test_an_owner_may_leave_out_what_it_likes(owner: dict[str, str]) -> None:
    told = {"kind": "StatefulSet", "controller": True} | owner
    found = pod_state({"metadata": BARE["metadata"] | {"ownerReferences": [told]}})
    assert (found.owner_uid, found.owner_name) == (owner.get("uid", ""), owner.get("name", ""))


def test_the_end_of_a_pod_is_terminal() -> None:
    phases = ("Pending", "Running", "Succeeded", "Failed", "Unknown")
    ended = [p for p in phases if pod_state(BARE | {"status": {"phase": p}}).is_terminal]
    assert ended == ["Succeeded", "Failed"]


@pytest.mark.parametrize(
    ("name", "ordinal"),
    [
        ("web-0", 0),
        ("a-b-17", 17),
        ("web-007", 7),
        ("web-123456789", 123456789),
        ("web-1234567890", None),
        ("web-", None),
        ("web", None),
        ("web-1x", None),
        ("-3", 3),
    ],
)
def test_an_ordinal_is_the_number_at_the_end(name: str, ordinal: int | None) -> None:
    assert ordinal_of(name) == ordinal


def waiting(reason: str | None = None, message: str | None = None) -> dict[str, Any]:
    told = {"reason": reason, "message": message}
    return {"state": {"waiting": {k: v for k, v in told.items() if v is not None}}}


def ended(
    code: int | None, reason: str | None = None, message: str | None = None
) -> dict[str, Any]:
    told = {"exitCode": code, "reason": reason, "message": message}
    return {"state": {"terminated": {k: v for k, v in told.items() if v is not None}}}


def unscheduled(status: str = "False", **told: str) -> list[dict[str, str]]:
    at = {"lastTransitionTime": "2026-11-01T00:00:02Z"}
    return [{"type": "PodScheduled", "status": status, **told, **at}]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ({"reason": "Evicted", "message": "low on memory"}, ("Evicted", "low on memory")),
        ({"reason": "Evicted"}, ("Evicted", "")),
        ({"containerStatuses": [waiting("ErrImagePull", "no")]}, ("ErrImagePull", "no")),
        ({"containerStatuses": [waiting("ErrImagePull")]}, ("ErrImagePull", "")),
        ({"initContainerStatuses": [waiting("CrashLoopBackOff")]}, ("CrashLoopBackOff", "")),
        (
            {
                "initContainerStatuses": [waiting("PodInitializing")],
                "containerStatuses": [waiting("ContainerCreating"), waiting("ErrImagePull")],
            },
            ("ErrImagePull", ""),
        ),
        ({"containerStatuses": [waiting("PodInitializing", "no")]}, ("", "")),
        ({"containerStatuses": [waiting()]}, ("", "")),
        ({"containerStatuses": [ended(1, "Error", "boom")]}, ("Error", "boom")),
        ({"containerStatuses": [ended(137, "OOMKilled")]}, ("OOMKilled", "")),
        ({"containerStatuses": [ended(0, "Completed"), ended(1)]}, ("", "")),
        ({"conditions": unscheduled(reason="Unschedulable", message="m")}, ("Unschedulable", "m")),
        ({"conditions": unscheduled(reason="Unschedulable")}, ("Unschedulable", "")),
        ({"conditions": unscheduled()}, ("", "")),
        ({"conditions": unscheduled("True", reason="Unschedulable", message="m")}, ("", "")),
        ({"containerStatuses": [{"state": {"running": {}}}]}, ("", "")),
    ],
)
def test_an_unready_pod_says_why_in_kubernetes_words(
    status: dict[str, Any], why: tuple[str, str]
) -> None:
    found = pod_state(BARE | {"status": status})
    assert (found.ready, found.reason, found.message) == (False, *why)
    at = unscheduled("True")[0]["lastTransitionTime"].replace("Z", ".000000Z")
    is_scheduled = "True" in [each["status"] for each in status.get("conditions", [])]
    assert found.scheduled_at == (at if is_scheduled else None)


def test_a_ready_pod_has_no_reason_though_a_container_ended_once() -> None:
    status = {
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [ended(1, "Error", "boom")],
    }
    found = pod_state(BARE | {"status": status})
    assert (found.ready, found.reason, found.message) == (True, "", "")


@pytest.mark.parametrize(
    ("raw_pod", "wrong"),
    [
        ({}, "KeyError 'metadata'"),
        ({"metadata": {"uid": "p"}}, "KeyError 'name'"),
        ({"metadata": {"name": "web-0"}}, "KeyError 'uid'"),
        ({"metadata": {"name": 7, "uid": "p"}}, "TypeError expected text, found int"),
        (BARE | {"spec": []}, "TypeError expected a map, found list"),
        (BARE | {"spec": {"containers": {}}}, "TypeError expected a list, found dict"),
        (BARE | {"status": {"phase": None}}, "TypeError expected text, found NoneType"),
        (
            BARE | {"status": {"containerStatuses": [{"restartCount": True}]}},
            "TypeError expected a number, found bool",
        ),
        (
            BARE | {"status": {"containerStatuses": [{"restartCount": 2**62}]}},
            "ValueError number out of range",
        ),
        (
            BARE | {"status": {"containerStatuses": [{"restartCount": -(2**62)}]}},
            "ValueError number out of range",
        ),
    ],
)
def test_what_is_no_pod_is_poison_and_says_why(raw_pod: dict[str, Any], wrong: str) -> None:
    with pytest.raises(PoisonRecord) as told:
        pod_state(raw_pod)
    assert str(told.value) == f"not a Pod: {wrong}"
