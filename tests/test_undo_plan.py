"""What an undo would do and what is told of it, from constructed objects."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.originals import Original
from ledger.undo.candidates import Candidate
from ledger.undo.owners import Owner, owners
from ledger.undo.patch import UNDO_ANNOTATION, Intent, nonce_of, patch_of
from ledger.undo.planning import Checked, Live, Plan, planned
from ledger.undo.references import references
from tests.cases import case

AT = "2026-11-26T10:00:00.000000Z"
INTENT = Intent("abcd", 4, 3, "3~1a2b", "u1", "it leaks", "INC-1")


def template(image: str, password: str = "") -> dict[str, Any]:
    """A pod template."""
    env = [{"name": "DB_PASSWORD", "value": password}] if password else []
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [app(image, env)]}}


def app(image: str, env: list[dict[str, str]]) -> dict[str, Any]:
    """A container."""
    return {"name": "app", "image": image} | ({"env": env} if env else {})


def raw_set(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    """A StatefulSet of three on revision web-b, in generation 4."""
    named = {"name": "web", "namespace": "shop", "uid": "u1", "generation": 4}
    status = {"observedGeneration": 4, "updateRevision": "web-b", "currentRevision": "web-a"}
    content = {"replicas": 3, "template": template("app:b"), **(spec or {})}
    return {"metadata": named | metadata, "spec": content, "status": status}


def pod(ordinal: int, revision: str, reason: str = "") -> dict[str, Any]:
    """A pod that is ready, or waits for a reason."""
    waiting = {"name": "app", "state": {"waiting": {"reason": reason}}}
    status: dict[str, Any] = {"phase": "Pending", "containerStatuses": [waiting]}
    if not reason:
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-26T09:00:00Z"}
        status = {"phase": "Running", "conditions": [ready]}
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "u1"}
    return {
        "metadata": {
            "name": f"web-{ordinal}",
            "namespace": "shop",
            "uid": f"p{ordinal}",
            "creationTimestamp": "2026-11-26T09:00:00Z",
            "labels": {"controller-revision-hash": revision},
            "ownerReferences": [owner | {"controller": True}],
        },
        "spec": {},
        "status": status,
    }


def plan_of(raw: dict[str, Any], *, pods: tuple[Any, ...] = (), **checked: Any) -> Plan:
    """The plan to go back to revision 1, web-a."""
    target = Candidate("u1", "ra", 1, "1", "web-a", "digest", is_ready=True)
    known = {"known_uids": frozenset({"u1"}), "spec_then": None, "there": {}, "now": AT} | checked
    claims = known.pop("claims", [])
    original = Original(template("app:a"), "live", "matches")
    return planned(Live(raw, [], list(pods), claims), target, original, Checked(**known))


def told(plan: Plan, kind: str) -> list[str]:
    """The findings of one kind."""
    return [each.text for each in plan.findings if each.kind == kind]


@case(59, stream="constructed")
def test_what_is_not_restored_is_told_with_how_it_was() -> None:
    claim = {
        "metadata": {"name": "data"},
        "spec": {"resources": {"requests": {"storage": "1Gi"}}},
    }
    then = {"replicas": 5, "serviceName": "web", "volumeClaimTemplates": [claim]}
    larger = {"resources": {"requests": {"storage": "3Gi"}}}
    raw_claim = {"metadata": {"name": "data-web-0"}, "spec": larger}
    now = {"serviceName": "web", "volumeClaimTemplates": [claim]}
    plan = plan_of(raw_set(now), spec_then=then, claims=[raw_claim])
    assert told(plan, "not-restored") == ["replicas stays 3, was 5 then"]
    assert told(plan, "claim") == [
        "claim data-web-0 has 3Gi, 1Gi was asked for then: claims never shrink"
    ]
    assert told(plan, "data") == ["data on the volumes is not rolled back"]


@case(37, stream="constructed")
@case(38, stream="constructed")
@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        ({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}, []),
        (
            {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}},
            ["partition 2: web-0, web-1 will not take it"],
        ),
        (
            {"type": "OnDelete"},
            ["OnDelete: web-0, web-1, web-2 take it only once they are deleted"],
        ),
    ],
)
def test_the_pods_that_are_held_back_are_told_by_ordinal(
    strategy: dict[str, Any], text: list[str]
) -> None:
    assert told(plan_of(raw_set({"updateStrategy": strategy})), "held-back") == text


@case(47, stream="constructed")
@case(48, stream="constructed")
@pytest.mark.parametrize(
    ("spec", "blockers"),
    [
        ({}, ["web-2"]),
        ({"podManagementPolicy": "Parallel"}, []),
        ({"updateStrategy": {"type": "OnDelete"}}, []),
        ({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}}, []),
    ],
)
def test_the_pods_that_will_hold_it_up_for_ever_are_foreseen(
    spec: dict[str, Any], blockers: list[str]
) -> None:
    pods = (pod(0, "web-a"), pod(1, "web-a"), pod(2, "web-b", "ImagePullBackOff"))
    plan = plan_of(raw_set(spec), pods=pods)
    assert [each.pod for each in plan.blockers] == blockers
    assert len(told(plan, "stuck")) == len(blockers)


def test_a_pod_that_is_only_being_started_holds_up_nothing_yet() -> None:
    pods = (pod(0, "web-a"), pod(1, "web-a"), pod(2, "web-b", "ContainerCreating"))
    plan = plan_of(raw_set(), pods=pods, now="2026-11-26T09:00:30.000000Z")
    assert plan.blockers == ()


def test_a_hidden_value_that_differs_is_a_change_without_its_value() -> None:
    raw = raw_set({"template": template("app:a", "hunter2-and-so-on")})
    plan = plan_of(raw)
    assert len(plan.changes) == 1
    assert "hunter2" not in repr(plan.changes)


def test_what_a_strict_recording_hides_is_not_shown_beside_it() -> None:
    plain = template("app:a") | {
        "spec": {"containers": [app("app:a", [{"name": "CITY", "value": "Springfield"}])]}
    }
    shown = plan_of(raw_set({"template": plain}))
    assert "Springfield" in repr(shown.changes)
    strict = plan_of(raw_set({"template": plain}), policy="strict")
    assert len(strict.changes) == 1
    assert "Springfield" not in repr(strict.changes)


def test_a_template_that_is_there_already_is_seen() -> None:
    spelled = template("app:a") | {
        "metadata": {"labels": {"app": "web"}, "creationTimestamp": None}
    }
    assert plan_of(raw_set({"template": spelled})).is_there_already
    assert not plan_of(raw_set()).is_there_already


def test_the_worst_is_told_first() -> None:
    marks = {"annotations": {"meta.helm.sh/release-name": "db"}}
    raw = raw_set({"updateStrategy": {"type": "OnDelete"}, "volumeClaimTemplates": [{}]}, **marks)
    plan = plan_of(raw, known_uids=frozenset())
    weights = [each.weight for each in plan.findings]
    assert weights == ["refusal", "warning", "note", "note"]
    assert [each.kind for each in plan.refusals] == ["owner"]


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({}, ()),
        (
            {"labels": {"argocd.argoproj.io/instance": "shop"}},
            (Owner("Argo CD application shop", reverts=True),),
        ),
        (
            {"labels": {"app.kubernetes.io/managed-by": "Helm"}},
            (Owner("Helm", reverts=True),),
        ),
        ({"labels": {"app.kubernetes.io/managed-by": "someone"}}, ()),
        (
            {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
            (Owner("kubectl apply", reverts=False),),
        ),
    ],
)
def test_whoever_manages_it_is_known_by_its_marks(
    metadata: dict[str, Any], found: tuple[Owner, ...]
) -> None:
    assert owners(raw_set(**metadata)) == found


@pytest.mark.parametrize(
    ("manager", "operation", "fields", "found"),
    [
        ("argocd-controller", "Apply", {"f:template": {}}, ["Argo CD"]),
        ("argocd-controller", "Update", {"f:template": {}}, ["Argo CD"]),
        ("argocd-application-controller", "Update", {"f:replicas": {}}, []),
        ("terraform", "Apply", {"f:template": {}}, ["server-side apply by terraform"]),
        ("terraform", "Apply", {"f:replicas": {}}, []),
        ("kubectl-edit", "Update", {"f:template": {}}, []),
    ],
)
def test_a_server_side_apply_owns_what_it_set(
    manager: str, operation: str, fields: dict[str, Any], found: list[str]
) -> None:
    entry = {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": fields}}
    assert [each.told for each in owners(raw_set(managedFields=[entry]))] == found


def test_what_pods_cannot_start_without_is_found_wherever_it_is_named() -> None:
    ref = {"name": "opt", "optional": True}
    container = {
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s1", "key": "k"}}}],
        "envFrom": [{"configMapRef": {"name": "c1"}}, {"secretRef": ref}],
    }
    spec = {
        "serviceAccountName": "runner",
        "imagePullSecrets": [{"name": "s2"}],
        "initContainers": [container],
        "containers": [{"env": [{"name": "B", "value": "plain"}]}],
        "volumes": [
            {"name": "a", "configMap": {"name": "c2"}},
            {"name": "b", "persistentVolumeClaim": {"claimName": "p1"}},
            {"name": "c", "projected": {"sources": [{"secret": {"name": "s3"}}]}},
            {"name": "d", "emptyDir": {}},
        ],
    }
    assert [each.told for each in references({"spec": spec})] == [
        "ConfigMap c1",
        "ConfigMap c2",
        "PersistentVolumeClaim p1",
        "Secret s1",
        "Secret s2",
        "Secret s3",
        "ServiceAccount runner",
    ]
    assert references({"spec": {"serviceAccountName": "default", "containers": []}}) == ()


def test_the_patch_tests_what_it_was_planned_on_and_says_what_for() -> None:
    raw = raw_set(annotations={"a": "b"})
    *tests, annotation, replaced = patch_of(raw, template("app:a"), INTENT)
    assert tests == [
        {"op": "test", "path": "/metadata/uid", "value": "u1"},
        {"op": "test", "path": "/metadata/generation", "value": 4},
    ]
    assert replaced == {"op": "replace", "path": "/spec/template", "value": template("app:a")}
    assert annotation["path"] == "/metadata/annotations/rollout-ledger~1undo"
    assert json.loads(annotation["value"]) == {
        "nonce": "abcd",
        "baseGeneration": 4,
        "revision": 3,
        "label": "3~1a2b",
        "workload": "u1",
        "reason": "it leaks",
        "ticket": "INC-1",
    }


def test_where_there_are_no_annotations_none_that_come_meanwhile_are_lost() -> None:
    operations = patch_of(raw_set(), template("app:a"), INTENT)
    assert operations[2] == {"op": "test", "path": "/metadata/annotations", "value": None}
    added = {UNDO_ANNOTATION: INTENT.spelled()}
    assert operations[3] == {"op": "add", "path": "/metadata/annotations", "value": added}


@pytest.mark.parametrize("value", ["", "{", "[]", "7", '{"other": 1}'])
def test_an_annotation_that_is_not_ours_has_no_nonce(value: str) -> None:
    assert nonce_of(raw_set(annotations={UNDO_ANNOTATION: value})) == ""
    assert nonce_of(raw_set(annotations={UNDO_ANNOTATION: INTENT.spelled()})) == "abcd"


def test_a_ledger_that_knows_only_another_set_of_the_name_is_doubted() -> None:
    assert told(plan_of(raw_set()), "target") == []
    (doubt,) = told(plan_of(raw_set(), known_uids=frozenset({"u0"})), "target")
    assert doubt.startswith("the ledger knows another StatefulSet of this name")
