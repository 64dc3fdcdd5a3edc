"""The rollouts: every way in which one goes on, stops, is refused, or seems to be done.

Many small StatefulSets, each for one thing; those that are done with are deleted, so that the
stories stay apart. What is stuck stays stuck for a moment, and is then healed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import yaml

from tests.lab.driver import Driver
from tests.lab.scenario import Scenario, Step, applied, apply, kubectl, partition, patch
from tests.lab.settling import Raw, Snapshot
from tests.lab.users import ADMIN, BOB
from tests.lab.workloads import Workload

CAUSE = "kubernetes.io/change-cause"


def small(name: str, replicas: int = 3, **more: Any) -> Workload:
    """A StatefulSet of nginx without volumes."""
    return Workload(name, "nginx:1.24", replicas, container="nginx", port=80, claims=0, **more)


def image(name: str, workload: str, tag: str, *, settles: bool = True) -> Step:
    """A step that changes a set's image."""
    return kubectl(name, "set", "image", f"sts/{workload}", f"nginx=nginx:{tag}", settles=settles)


def undo(name: str, workload: str, *, settles: bool = True) -> Step:
    """A step that undoes a set's newest change."""
    return kubectl(name, "rollout", "undo", f"sts/{workload}", user=BOB, settles=settles)


def delete_pod(name: str, pod: str) -> Step:
    """A step that deletes a pod and waits until it is gone."""
    return kubectl(name, "delete", "pod", pod)


def until(name: str, act: tuple[str, ...], true: Callable[[Snapshot], bool]) -> Step:
    """A step that ends in the middle of something: as soon as it is true."""

    def run(driver: Driver) -> None:
        driver.run(*act)
        driver.wait_for(true, name)

    return Step(name, run, settles=False)


def status_of(snapshot: Snapshot, name: str) -> Raw:
    """The status of a set, empty while there is none."""
    return next(
        (
            item.get("status", {})
            for item in snapshot.raw["statefulsets"]
            if item["metadata"]["name"] == name
        ),
        {},
    )


def not_yet_available(snapshot: Snapshot) -> bool:
    """Every pod of `calm` is updated and ready, and one is not available."""
    status = status_of(snapshot, "calm")
    counts = [status.get(f"{word}Replicas", 0) for word in ("updated", "ready", "available")]
    return counts == [2, 2, 1]


def waits_with(name: str, reason: str) -> Callable[[Snapshot], bool]:
    """A pod of the set waits, or is not scheduled, for the reason."""

    def true(snapshot: Snapshot) -> bool:
        pods = [p for p in snapshot.raw["pods"] if p["metadata"]["name"].startswith(f"{name}-")]
        return any(reason in str(pod.get("status", {})) for pod in pods)

    return true


def quota(driver: Driver) -> None:
    """A quota of no pods at all, and a set that wants one."""
    driver.run("create", "quota", "none", "--hard=pods=0", user=ADMIN)
    applied(driver, small("poor", 1))
    asked = ("get", "events", "-o", "name", "--field-selector", "reason=FailedCreate")
    driver.wait_for(lambda _: bool(driver.cluster.administer(*asked, "-A")), "a refusal")


def unbound(driver: Driver) -> None:
    """A set whose claim names a class that nobody has."""
    applied(driver, replace(small("unbound", 1), claims=1, storage_class="missing"))
    driver.wait_for(waits_with("unbound", "Unschedulable"), "a pod that waits for its claim")


def finalizer(driver: Driver) -> None:
    """Hold the bad pod with a finalizer, undo the bad image, and delete the pod all the same."""
    held = '{"metadata":{"finalizers":["example.com/hold"]}}'
    driver.run("patch", "pod", "ending-2", "-p", held, user=ADMIN)
    driver.run("delete", "pod", "ending-2", "--wait=false")
    driver.run("rollout", "undo", "sts/ending")
    driver.wait_for(
        lambda found: status_of(found, "ending").get("observedGeneration") == 3, "the undo seen"
    )


def there_and_back(driver: Driver) -> None:
    """Another template and the first one again, in one breath."""
    there, back = replace(PLAIN, image="nginx:1.99"), replace(PLAIN, image="nginx:1.25")
    stdin = "---\n".join(edition.manifest() for edition in (there, back))
    driver.run("apply", "-f", "-", stdin=stdin)


def undo_twice(driver: Driver) -> None:
    """Undo, and undo again at once."""
    driver.run("rollout", "undo", "sts/plain")
    driver.attempt("rollout", "undo", "sts/plain")


def failed_pod(driver: Driver) -> None:
    """Say that a pod has failed: the controller makes another."""
    before = driver.get("pods", "plain-0")["metadata"]["uid"]
    failed = '{"status":{"phase":"Failed","reason":"Evicted"}}'
    asked = ("patch", "pod", "plain-0", "--subresource=status", "--type=merge", "-p", failed)
    driver.run(*asked, user=ADMIN)

    def replaced(found: Snapshot) -> bool:
        pods = [p["metadata"] for p in found.raw["pods"] if p["metadata"]["name"] == "plain-0"]
        return any(pod["uid"] != before for pod in pods)

    driver.wait_for(replaced, "another plain-0")


def daemons(driver: Driver) -> None:
    """A DaemonSet, whose revisions are of the same kind."""
    driver.run("apply", "-f", "-", stdin=yaml.safe_dump(DAEMON), user=ADMIN)


PLAIN = small("plain", strategy="")
DAEMON = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "agent"},
    "spec": {
        "selector": {"matchLabels": {"app": "agent"}},
        "template": {
            "metadata": {"labels": {"app": "agent"}},
            "spec": {"containers": [{"name": "agent", "image": "agent:1"}]},
        },
    },
}
SPREAD = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2}}}
RETENTION = {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}
MORE = {"revisionHistoryLimit": 4, "minReadySeconds": 1, **RETENTION}
LABELLED = {"spec": {"template": {"metadata": {"labels": {"tier": "front"}}}}}
ANNOTATED = {"spec": {"template": {"metadata": {"annotations": {CAUSE: "in the template"}}}}}

PLAINLY = (
    apply("plain, with no word on how to update", PLAIN),
    image("a plain rollout", "plain", "1.25"),
    apply("calm waits after each pod", small("calm", 2, spec={"minReadySeconds": 4})),
    until(
        "ready but not yet available",
        ("set", "image", "sts/calm", "nginx=nginx:1.25"),
        not_yet_available,
    ),
    kubectl("and then available", "get", "sts", "calm"),
    kubectl("calm goes", "delete", "sts", "calm"),
)
"""One after the other, and what kubectl calls done."""

BY_HAND = (
    apply("hand, replaced by hand", small("hand", strategy="OnDelete")),
    image("nothing moves by itself", "hand", "1.25"),
    delete_pod("the first by hand", "hand-2"),
    kubectl("the others by hand", "delete", "pod", "hand-1", "hand-0"),
    image("a bad image for hand", "hand", "1.26-bad"),
    delete_pod("hand-1 takes the bad image", "hand-1"),
    undo("undone, hand-1 waits for a hand", "hand"),
    kubectl("hand goes", "delete", "sts", "hand"),
)
"""OnDelete."""

IN_PARALLEL = (
    apply("wide, two at a time", small("wide", 5, pods="Parallel", spec=SPREAD)),
    image("two at a time", "wide", "1.25"),
    image("a bad image for wide", "wide", "1.26-bad"),
    undo("undone, and wide heals by itself", "wide"),
    kubectl("wide goes", "delete", "sts", "wide"),
)
"""Parallel."""

FROM_ORDINALS = (
    apply("shifted begins at 5", small("shifted", spec={"ordinals": {"start": 5}})),
    patch("hold back shifted-5", "shifted", partition(1)),
    image("all but the first of shifted", "shifted", "1.25"),
    patch("let it all go", "shifted", partition(0)),
    patch("begin at 3", "shifted", {"spec": {"ordinals": {"start": 3}}}),
    kubectl("shifted goes", "delete", "sts", "shifted"),
)
"""Ordinals."""

PARTITIONED = (
    apply("held", small("held")),
    patch("hold back more than there are", "held", partition(5)),
    image("no pod takes it", "held", "1.25"),
    patch("two may go", "held", partition(1)),
    patch("hold back all but one", "held", partition(2)),
    image("three revisions at once", "held", "1.26"),
    delete_pod("below the partition it comes back old", "held-1"),
    patch("raise the partition over what was done", "held", partition(3)),
    patch("release held", "held", partition(0)),
    image("a bad image for held", "held", "1.27-bad"),
    patch("put the bad pod below the partition", "held", partition(3)),
    undo("undone below the partition", "held"),
    kubectl("held goes", "delete", "sts", "held"),
)
"""Partitions."""

STICKING = (
    apply("stuck", small("stuck", 5)),
    image("a bad image for stuck", "stuck", "1.25-bad"),
    undo("a rollback that sticks", "stuck"),
    delete_pod("healed by deleting the pod", "stuck-4"),
    kubectl("stuck goes", "delete", "sts", "stuck"),
    apply("ending", small("ending")),
    image("a bad image for ending", "ending", "1.25-bad"),
    Step("undone while the bad pod is going", finalizer, settles=False),
    kubectl(
        "and then it is gone",
        *("patch", "pod", "ending-2", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'),
        user=ADMIN,
    ),
    kubectl("ending goes", "delete", "sts", "ending"),
)
"""Stuck after an undo, kubernetes#67250."""

UNREADY = (
    apply("sick", small("sick", 2, pods="Parallel")),
    image("it crashes", "sick", "1.25-crash"),
    image("it lacks its settings", "sick", "1.26-config"),
    image("it never gets ready", "sick", "1.27-unready"),
    apply(
        "nobody has a node for it",
        small("sick", 2, pods="Parallel", pod={"nodeSelector": {"disk": "none"}}),
    ),
    apply("and well again", small("sick", 2, pods="Parallel")),
    kubectl("sick goes", "delete", "sts", "sick"),
    Step("its claim finds no volume", unbound, settles=False),
    kubectl("unbound goes", "delete", "sts", "unbound", settles=False),
    kubectl("its claim goes too", "delete", "pvc", "data-unbound-0"),
)
"""Why a pod is not ready."""

REFUSED = (
    Step("a quota refuses its pod", quota, settles=False),
    kubectl("the quota goes", "delete", "quota", "none", user=ADMIN),
    kubectl("poor goes", "delete", "sts", "poor"),
)
"""Refused."""

INTERRUPTED = (
    apply("mid", small("mid")),
    image("a bad image for mid", "mid", "1.25-bad"),
    delete_pod("one not yet updated comes back as it was", "mid-0"),
    kubectl("scale down in the middle", "scale", "sts/mid", "--replicas=2"),
    image("a good image for mid", "mid", "1.26"),
    delete_pod("mid is healed", "mid-1"),
    kubectl("mid goes", "delete", "sts", "mid"),
)
"""In the middle of things."""

IDENTITIES = (
    Step("a pod failed and was replaced", failed_pod),
    Step("there and back in one breath", there_and_back),
    Step("two undos in one breath", undo_twice),
    patch("a label in the template", "plain", LABELLED),
    patch("a cause in the template", "plain", ANNOTATED),
    kubectl(
        "a cause with a line break, a tab and an escape",
        *("annotate", "sts/plain", "--overwrite", f"{CAUSE}=one\ttwo\nthree\x1b[31m"),
    ),
    patch("limit, readiness and retention", "plain", {"spec": MORE}),
    kubectl("restart plain", "rollout", "restart", "sts/plain"),
    kubectl("restart plain again", "rollout", "restart", "sts/plain"),
    kubectl("and again", "rollout", "restart", "sts/plain"),
    kubectl("and a fourth time", "rollout", "restart", "sts/plain"),
    kubectl(
        "a revision label edited by hand",
        *("label", "pod", "plain-1", "controller-revision-hash=handmade", "--overwrite"),
    ),
    Step("a daemon in the same namespace", daemons),
    apply("left", small("left", 1, app="both")),
    apply("right, with the same selector", small("right", 1, app="both")),
    kubectl("delete plain", "delete", "sts", "plain"),
    apply("make plain again", PLAIN),
)
"""No rollout at all, or more than one."""

ROLLOUTS = Scenario(
    "rollouts",
    volumes=2,
    steps=(
        *PLAINLY,
        *BY_HAND,
        *IN_PARALLEL,
        *FROM_ORDINALS,
        *PARTITIONED,
        *STICKING,
        *UNREADY,
        *REFUSED,
        *INTERRUPTED,
        *IDENTITIES,
    ),
)
