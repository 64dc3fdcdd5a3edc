"""Whose a claim is and by which policy it went, where names and owners say different things."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from ledger.model import CLAIMS, PODS, STATEFUL_SETS
from ledger.observe import Stream
from tests.recorded import folded
from tests.test_coverage import BEGAN, SETS, Story, a_set, asked

CREATED = "2026-11-01T09:00:00Z"
OLD, NEW = ("Delete", "Retain"), ("Retain", "Delete")
"""The retention policies (whenDeleted, whenScaled) of the first set of the name and the second."""


def owned(raw: dict[str, Any], *owners: tuple[str, str]) -> dict[str, Any]:
    """The object, with owner references of these kinds and uids."""
    references = [
        {
            "apiVersion": "apps/v1" if kind == "StatefulSet" else "v1",
            "kind": kind,
            "name": "web",
            "uid": uid,
            "controller": kind != "Pod",
        }
        for kind, uid in owners
    ]
    return raw | {"metadata": raw["metadata"] | {"ownerReferences": references}}


def a_retaining_set(
    uid: str, version: int, policy: tuple[str, str], *, name: str = "web", template: str = "data"
) -> dict[str, Any]:
    """A set with a claim template and a retention policy."""
    raw = a_set(uid, version, name)
    deleted, scaled = policy
    return raw | {
        "spec": raw["spec"]
        | {
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": deleted, "whenScaled": scaled},
            "volumeClaimTemplates": [{"metadata": {"name": template}, "spec": {}}],
        }
    }


def named(name: str, uid: str, version: int, **spec: Any) -> dict[str, Any]:
    """The metadata and spec of a claim or pod."""
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "resourceVersion": str(version),
            "creationTimestamp": CREATED,
        },
        "spec": spec,
        "status": {"phase": "Pending"},
    }


def a_pod(name: str, uid: str, set_uid: str, version: int, claim: str) -> dict[str, Any]:
    """A pod of a set that was given a node and uses a claim."""
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]
    raw = named(name, uid, version, nodeName="node-a", volumes=volumes)
    labels = {"statefulset.kubernetes.io/pod-name": name, "controller-revision-hash": "r"}
    raw["metadata"]["labels"] = labels
    return owned(raw, ("StatefulSet", set_uid))


def two_sets_of_one_name() -> Story:
    """`web` with a pod and its claim; then it is another `web` with the other policy."""
    story = Story()
    for stream in (SETS, Stream(CLAIMS, "*"), Stream(PODS, "*")):
        story.start(stream)
        story.list(stream, 1)
    story.state(STATEFUL_SETS, a_retaining_set("u-1", 5, OLD))
    story.state(PODS, a_pod("web-0", "p-1", "u-1", 6, "data-web-0"))
    young = a_retaining_set("u-2", 20, NEW)
    young["metadata"]["creationTimestamp"] = story.tick().strftime("%Y-%m-%dT%H:%M:%SZ")
    story.state(STATEFUL_SETS, young)
    return story


SET_1, SET_2, POD_1 = ("StatefulSet", "u-1"), ("StatefulSet", "u-2"), ("Pod", "p-1")


@pytest.mark.parametrize(
    ("owners", "policy"),
    [
        ((), NEW),
        ((SET_1,), OLD),
        ((SET_2,), NEW),
        ((POD_1,), OLD),
        ((POD_1, SET_2), NEW),
        ((SET_2, POD_1), NEW),
        ((("Pod", "never seen"),), NEW),
        ((("Node", "n-1"),), NEW),
        ((("Node", "p-1"),), NEW),
    ],
)
def test_the_policy_is_that_of_the_set_that_owned_it_or_its_pods_and_else_of_the_name(
    owners: tuple[tuple[str, str], ...], policy: tuple[str, str], tmp_path: Path
) -> None:
    story = two_sets_of_one_name()
    claim = named("data-web-0", "c-1", 30)
    story.state(CLAIMS, owned(claim, *owners))
    going = claim["metadata"] | {"resourceVersion": "31", "deletionTimestamp": CREATED}
    story.state(CLAIMS, owned(claim | {"metadata": going}, *owners))
    question = "select decided_when_deleted, decided_when_scaled from claims"
    assert asked(folded(story.values, tmp_path / "l.db"), question) == [policy]


def test_the_policy_is_the_one_in_force_when_the_end_was_decided(tmp_path: Path) -> None:
    story = Story()
    for stream in (SETS, Stream(CLAIMS, "*")):
        story.start(stream)
        story.list(stream, 1)
    story.state(STATEFUL_SETS, a_retaining_set("u-1", 5, OLD))
    claim = named("data-web-0", "c-1", 6)
    story.state(CLAIMS, owned(claim, SET_1))
    going = claim["metadata"] | {"resourceVersion": "9", "deletionTimestamp": CREATED}
    story.state(CLAIMS, owned(claim | {"metadata": going}, SET_1))
    story.tick(60)
    story.state(STATEFUL_SETS, a_retaining_set("u-1", 12, NEW))
    question = "select decided_when_deleted, decided_when_scaled, deleted_why from claims"
    for number, values in enumerate(permutations(story.values[-3:])):
        path = folded([*story.values[:-3], *values], tmp_path / f"{number}.db")
        assert asked(path, question) == [(*OLD, "by hand")]


def dashes(*owners: str) -> Story:
    """Two sets whose templates could both have made the claim data-a-web-0, and pods of these
    sets that use it.
    """
    story = Story()
    for stream in (SETS, Stream(CLAIMS, "*"), Stream(PODS, "*")):
        story.start(stream)
        story.list(stream, 1)
    story.state(STATEFUL_SETS, a_retaining_set("u-1", 5, OLD, template="data-a"))
    story.state(STATEFUL_SETS, a_retaining_set("u-2", 6, OLD, name="a-web"))
    story.state(CLAIMS, named("data-a-web-0", "c-1", 7))
    names = {"u-1": "web-0", "u-2": "a-web-0"}
    for version, uid in enumerate(owners, start=8):
        story.state(PODS, a_pod(names[uid], f"p-{uid}", uid, version, "data-a-web-0"))
    return story


NOBODYS = (None, None, None, None, "data of a-web or data-a of web")


@pytest.mark.parametrize(
    ("users", "told"),
    [
        ((), NOBODYS),
        (("u-1",), ("data-a", "web", "u-1", 0, None)),
        (("u-2",), ("data", "a-web", "u-2", 0, None)),
        (("u-1", "u-2"), NOBODYS),
    ],
)
def test_a_name_that_two_sets_could_have_made_is_decided_by_the_pods_that_use_it(
    users: tuple[str, ...], told: tuple[Any, ...], tmp_path: Path
) -> None:
    question = "select template, workload, workload_uid, ordinal, ambiguous from claims"
    assert asked(folded(dashes(*users).values, tmp_path / "l.db"), question) == [told]


def test_a_claim_is_of_the_newest_set_that_could_have_taken_it_over_while_it_was_there(
    tmp_path: Path,
) -> None:
    story = two_sets_of_one_name()
    gone = named("data-web-0", "c-1", 30)
    gone["metadata"]["creationTimestamp"] = CREATED
    story.state(CLAIMS, gone)
    question = "select workload_uid from claims"
    assert asked(folded(story.values, tmp_path / "l.db"), question) == [("u-2",)]
    early = Story(at=BEGAN)
    for stream in (SETS, Stream(CLAIMS, "*")):
        early.start(stream)
        early.list(stream, 1)
    early.state(STATEFUL_SETS, a_retaining_set("u-1", 5, OLD))
    early.state(CLAIMS, gone)
    early.list(Stream(CLAIMS, "*"), 40)
    young = a_retaining_set("u-2", 50, NEW)
    young["metadata"]["creationTimestamp"] = early.tick(60).strftime("%Y-%m-%dT%H:%M:%SZ")
    early.state(STATEFUL_SETS, young)
    assert asked(folded(early.values, tmp_path / "e.db"), question) == [("u-1",)]
