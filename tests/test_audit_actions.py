"""What is kept of whole audit events, as an API server writes them."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest

from ledger.audit.event import action_of, record_id

UID, OTHER = "7c0f1f9e-0000-4000-8000-000000000001", "7c0f1f9e-0000-4000-8000-000000000002"
ID = "0b3f4f3e-1111-4111-8111-000000000001"
SET = {"resource": "statefulsets", "namespace": "shop", "name": "web", "apiGroup": "apps"}
POD = {"resource": "pods", "namespace": "shop", "name": "web-0"}
PATH = "/apis/apps/v1/namespaces/shop/statefulsets/web"
TIMES = ("2026-11-26T10:00:00.000000Z", "2026-11-26T10:00:00.100000Z")
ANSWERED = {"level": "RequestResponse", "stage": "ResponseComplete"}
WHEN = {"received": TIMES[0], "completed": TIMES[1]}


def raw(verb: str, ref: dict[str, Any], **other: Any) -> dict[str, Any]:
    """A whole event about one object."""
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        **ANSWERED,
        "auditID": ID,
        "requestURI": PATH,
        "verb": verb,
        "user": {"username": "alice", "groups": ["system:authenticated"]},
        "sourceIPs": ["10.0.0.7", "10.0.0.1"],
        "userAgent": "kubectl/v1.37.0 (linux/amd64) kubernetes/0000000",
        "objectRef": ref,
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": TIMES[0],
        "stageTimestamp": TIMES[1],
        **other,
    }


def told(verb: str, kind: str, name: str, **other: Any) -> dict[str, Any]:
    """What is kept of it."""
    return {
        **ANSWERED,
        "verb": verb,
        "user": "alice",
        "agent": "kubectl/v1.37.0 (linux/amd64) kubernetes/0000000",
        "addresses": ["10.0.0.7", "10.0.0.1"],
        "kind": kind,
        "namespace": "shop",
        "name": name,
        "code": 200,
        "manager": "kubectl",
        **WHEN,
        **other,
    }


def shown(kind: str, **metadata: Any) -> dict[str, Any]:
    """An object in an answer."""
    return {"kind": kind, "metadata": metadata}


def pod(uid: str, *, label: bool = True) -> dict[str, Any]:
    """A pod in an answer, ours when it has the label."""
    labels = {"statefulset.kubernetes.io/pod-name": "web-0"} if label else {}
    return shown("Pod", uid=uid, resourceVersion="7", labels=labels)


WHOLE = {
    "an update": (
        raw(
            "update",
            SET | {"resourceVersion": "40", "uid": OTHER},
            requestURI=f"{PATH}?fieldManager=helm&fieldValidation=Strict",
            requestObject={
                "metadata": {"annotations": {"rollout-ledger/undo": "1", "theirs": "x"}}
            },
            responseObject=shown("StatefulSet", uid=UID, resourceVersion="41", generation=3),
        ),
        told(
            "update",
            "statefulsets",
            "web",
            uid=UID,
            version=41,
            generation=3,
            requestVersion=40,
            manager="helm",
            annotations={"rollout-ledger/undo": "1"},
        ),
    ),
    "a creation whose name the server chose": (
        raw(
            "create",
            {key: SET[key] for key in ("resource", "namespace", "apiGroup")},
            requestObject={"spec": {}},
            responseObject=shown("StatefulSet", name="web-x1", uid=UID, resourceVersion="41"),
        ),
        told("create", "statefulsets", "web-x1", uid=UID, version=41),
    ),
    "a patch": (
        raw(
            "patch",
            SET,
            requestURI=f"{PATH}?dryRun=All",
            requestObject={"spec": {"replicas": 4, "template": None}},
            responseObject=shown("StatefulSet", uid=UID, resourceVersion="41"),
        ),
        told(
            "patch",
            "statefulsets",
            "web",
            uid=UID,
            version=41,
            dryRun=True,
            touched=["/spec/replicas"],
            removed=["/spec/template"],
        ),
    ),
    "an apply": (
        raw(
            "patch",
            SET,
            requestURI=f"{PATH}?fieldManager=ci",
            requestObject={
                "kind": "StatefulSet",
                "apiVersion": "apps/v1",
                "spec": {"replicas": 4},
            },
            impersonatedUser={"username": "bob"},
        ),
        told(
            "patch",
            "statefulsets",
            "web",
            impersonated="bob",
            manager="ci",
            apply=True,
            touched=["/apiVersion", "/kind", "/spec/replicas"],
        ),
    ),
    "a patch with a kind but nobody's name": (
        raw("patch", SET, requestObject={"kind": "StatefulSet", "apiVersion": "apps/v1"}),
        told("patch", "statefulsets", "web", touched=["/apiVersion", "/kind"]),
    ),
    "a patch by somebody without a kind": (
        raw("patch", SET, requestURI=f"{PATH}?fieldManager=me", requestObject={"kind": "x"}),
        told("patch", "statefulsets", "web", manager="me", touched=["/kind"]),
    ),
    "a scale": (
        raw(
            "update",
            SET | {"subresource": "scale"},
            requestObject={"kind": "Scale", "spec": {"replicas": 5}},
            responseObject=shown("Scale", uid=UID, resourceVersion="41")
            | {"spec": {"replicas": 5}},
        ),
        told("update", "statefulsets", "web", subresource="scale", uid=UID, version=41, replicas=5),
    ),
    "a scale to nothing": (
        raw(
            "patch",
            SET | {"subresource": "scale"},
            requestObject={"spec": {"replicas": 0}},
            responseObject=shown("Scale", uid=UID, resourceVersion="41") | {"spec": {}},
        ),
        told(
            "patch",
            "statefulsets",
            "web",
            subresource="scale",
            uid=UID,
            version=41,
            replicas=0,
            touched=["/spec/replicas"],
        ),
    ),
    "a deletion answered by its status": (
        raw(
            "delete",
            SET,
            requestObject={"propagationPolicy": "Orphan", "dryRun": ["All"]},
            responseStatus={"code": 200, "details": {"uid": UID}},
        ),
        told("delete", "statefulsets", "web", uid=UID, propagation="Orphan", dryRun=True),
    ),
    "a deletion answered by a status as body": (
        raw("delete", SET, responseObject={"kind": "Status", "details": {"uid": UID}}),
        told("delete", "statefulsets", "web", uid=UID),
    ),
    "a deletion that names the uid itself": (
        raw("delete", SET | {"uid": UID}, requestObject={}),
        told("delete", "statefulsets", "web", uid=UID),
    ),
    "a deletion of many": (
        raw(
            "deletecollection",
            {"resource": "pods", "namespace": "shop"},
            responseObject={
                "kind": "PodList",
                "items": [pod(UID), pod(OTHER, label=False)],
            },
        ),
        {key: value for key, value in told("deletecollection", "pods", "").items() if key != "name"}
        | {"deleted": [{"uid": UID, "version": 7}]},
    ),
    "an eviction": (
        raw(
            "create",
            POD | {"subresource": "eviction"},
            requestObject={"deleteOptions": {"dryRun": ["All"]}, "metadata": {"name": "web-0"}},
            responseStatus={"code": 201},
        ),
        told("create", "pods", "web-0", subresource="eviction", code=201, dryRun=True),
    ),
    "a pod's update, told without its body": (
        raw(
            "update",
            POD,
            responseObject=pod(UID) | {"kind": "PartialObjectMetadata"},
            userAgent="",
            sourceIPs=None,
        ),
        {
            key: value
            for key, value in told("update", "pods", "web-0", uid=UID, version=7).items()
            if key not in ("agent", "addresses", "manager")
        },
    ),
    "a request that panicked": (
        raw("update", SET, stage="Panic", responseStatus={"code": 500}, level="Metadata"),
        told("update", "statefulsets", "web", stage="Panic", code=500, level="Metadata"),
    ),
}


@pytest.mark.parametrize(("event", "kept"), WHOLE.values(), ids=WHOLE)
def test_exactly_this_is_kept_of(event: dict[str, Any], kept: dict[str, Any]) -> None:
    assert action_of(event) == kept


def test_the_items_of_a_webhook_have_neither_kind_nor_version() -> None:
    item = raw("delete", SET)
    del item["kind"], item["apiVersion"]
    assert action_of(item) == action_of(raw("delete", SET))


@pytest.mark.parametrize("leaving", ["auditID", "verb", "stage", "user", "stageTimestamp"])
def test_an_event_that_lacks_what_every_event_has_is_none_of_an_api_servers(leaving: str) -> None:
    event = raw("delete", SET)
    del event[leaving]
    with pytest.raises(ValueError, match=r"^not an audit event: KeyError$"):
        action_of(event)


@pytest.mark.parametrize(
    "odd",
    [
        {"stageTimestamp": "0001-01-01T00:00:00Z"},
        {"requestReceivedTimestamp": "9999-12-31T23:59:59.9Z"},
        {"responseStatus": {"code": 2**63}},
        {"responseObject": shown("StatefulSet", uid="u", resourceVersion="4", generation=2**63)},
    ],
    ids=str,
)
def test_an_event_of_no_time_or_with_a_number_that_nobody_has_is_refused(
    odd: dict[str, Any],
) -> None:
    with pytest.raises(ValueError, match=r"no time of a cluster|not an audit event"):
        action_of(raw("update", SET, **odd))


def test_what_is_of_another_kind_is_refused_in_these_words() -> None:
    with pytest.raises(ValueError, match=r"^not an audit event$"):
        action_of(raw("delete", SET, kind="EventList"))


@pytest.mark.parametrize(
    ("kind", "ours"), [("Pod", True), ("PartialObjectMetadata", True), ("Status", False)]
)
def test_a_pods_write_is_kept_when_the_answer_shows_that_it_is_ours(kind: str, ours: bool) -> None:
    answer = pod(UID) | {"kind": kind}
    assert (action_of(raw("update", POD, responseObject=answer)) is not None) is ours
    assert action_of(raw("update", POD, responseObject=pod(UID, label=False))) is None


def test_a_collection_with_none_of_ours_is_none() -> None:
    answer = {"kind": "PodList", "items": [pod(UID, label=False)]}
    assert action_of(raw("deletecollection", POD, responseObject=answer)) is None
    assert action_of(raw("deletecollection", POD, responseObject={"items": []})) is not None


@pytest.mark.parametrize(
    "ref",
    [
        {"resource": "controllerrevisions", "apiGroup": "apps", "name": "r"},
        {"resource": "persistentvolumeclaims", "name": "c"},
        {"resource": "persistentvolumes", "name": "v"},
    ],
)
def test_deletions_of_every_kind_we_keep_are_kept(ref: dict[str, str]) -> None:
    kept = action_of(raw("delete", ref))
    assert kept is not None
    assert (kept["kind"], kept["name"]) == (ref["resource"], ref["name"])
    assert action_of(raw("delete", ref | {"subresource": "status"})) is None
    assert action_of(raw("delete", ref | {"apiGroup": "other"})) is None


@pytest.mark.parametrize(
    ("agent", "manager"),
    [
        ("helm/3", "helm"),
        ("curl", "curl"),
        ("a\u0007b/1", "a"),
        ("x" * 200, "x" * 128),
        ("\u0007", ""),
    ],
)
def test_who_names_no_manager_is_managed_by_the_agents_printable_beginning(
    agent: str, manager: str
) -> None:
    kept = action_of(raw("update", SET, userAgent=agent))
    assert kept is not None
    assert kept.get("manager", "") == manager


def test_a_records_id_is_the_requests_and_the_stage() -> None:
    assert record_id(raw("update", SET), b"k") == f"{ID}/ResponseComplete"
    tag = hmac.new(b"k", b"chosen", hashlib.sha256).hexdigest()[:32]
    assert record_id(raw("update", SET, auditID="chosen"), b"k") == f"{tag}/ResponseComplete"
    assert record_id(raw("update", SET, auditID=f"{ID}x"), b"k").partition("/")[0] != f"{ID}x"
