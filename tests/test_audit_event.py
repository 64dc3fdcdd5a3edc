"""What is kept of an audit event, and that no value of its bodies is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.audit.event import action_of, record_id
from ledger.audit.paths import LIMIT, LIMIT_CHARACTERS, covers, may_cover, touched_and_removed
from ledger.model import utc_now
from tests.test_audit_webhook import event
from tests.watching import observer

CANARY = "CANARY-7c1e55"


@pytest.mark.parametrize(
    ("patch", "touched", "removed"),
    [
        ({}, [], []),
        ([], [], []),
        ("text", [], []),
        ({"spec": {}}, [], []),
        ({"spec": {"replicas": 2}}, ["/spec/replicas"], []),
        ({"spec": {"x": None}}, [], ["/spec/x"]),
        ({"status": {"a": 1}, "metadata": {"managedFields": [{}]}}, [], []),
        ({"metadata": {"labels": {"status": "x"}}}, ["/metadata/labels/status"], []),
        ({"metadata": {"annotations": {"a/b~c": "v"}}}, ["/metadata/annotations/a~1b~0c"], []),
        ({"spec": {"l": [{"name": "a"}]}}, ["/spec/l/*/name"], []),
        ({"spec": {"l": ["a"]}}, ["/spec/l"], []),
        ({"spec": {"l": [{"$patch": "delete", "name": "a"}]}}, [], ["/spec/l/*"]),
        ({"template": {"$patch": "replace", "a": 1}}, ["/template/a"], ["/template"]),
        ({"$retainKeys": ["type"], "type": "x"}, ["/type"], [""]),
        ({"$setElementOrder/l": ["a"], "a": 1}, ["/a"], []),
        ({"$deleteFromPrimitiveList/finalizers": ["a"]}, [], ["/finalizers"]),
        ([{"op": "test", "path": "/a", "value": 1}], [], []),
        ([{"op": "replace", "path": "/spec/l/0/image", "value": 1}], ["/spec/l/*/image"], []),
        ([{"op": "add", "path": "/l/-", "value": 1}], ["/l/*"], []),
        ([{"op": "remove", "path": "/a"}], [], ["/a"]),
        ([{"op": "move", "from": "/a", "path": "/b"}], ["/b"], ["/a"]),
        ([{"op": "copy", "from": "/a", "path": "/b"}], ["/b"], []),
        (["x", {"op": "add", "path": "", "value": 1}], [""], []),
    ],
)
def test_a_patch_names_the_fields_it_sets_and_takes_away(
    patch: Any, touched: list[str], removed: list[str]
) -> None:
    assert touched_and_removed(patch) == (touched, removed, False)


def test_only_so_many_paths_and_only_so_long_are_kept() -> None:
    assert touched_and_removed({f"f{n}": 1 for n in range(LIMIT)})[2] is False
    touched, removed, was_cut = touched_and_removed({f"f{n}": 1 for n in range(LIMIT + 1)})
    assert (len(touched), removed, was_cut) == (LIMIT, [], True)
    assert touched_and_removed({"x" * LIMIT_CHARACTERS: 1, "y": 1}) == (["/y"], [], True)


def test_a_star_may_be_a_key_and_what_is_left_out_anything() -> None:
    field = ["metadata", "labels", "2024"]
    (path,) = touched_and_removed([{"op": "remove", "path": "/metadata/labels/2024"}])[1]
    assert not covers([path], field)
    assert may_cover([path], field)
    assert may_cover(["/x", "/*"], field)
    assert not may_cover(["/metadata/labels/a", "/spec/*", "/*/*/*/*"], field)


def test_a_path_covers_itself_and_what_is_below() -> None:
    assert covers(["/spec"], ["spec", "x"])
    assert covers(["/spec/a~1b"], ["spec", "a/b"])
    assert not covers(["/spec/x"], ["spec"])
    assert not covers(["/spec/x"], ["spec", "xy"])


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        [],
        None,
        "x",
        event(kind="Pod"),
        event(apiVersion="v1"),
        event(apiVersion="audit.example.com/v1"),
        event(auditID=""),
        event(user=None),
        event(user={"username": None}),
        event(impersonatedUser={"username": 7}),
        event(userAgent=["kubectl"]),
        event(sourceIPs=[1]),
        event(requestReceivedTimestamp="yesterday"),
        event(responseStatus={"code": "x"}),
    ],
)
def test_what_is_no_audit_event_is_refused_without_a_quotation(wrong: Any) -> None:
    with pytest.raises(ValueError) as refused:
        action_of(wrong)
    assert "Pod" not in str(refused.value)


@pytest.mark.parametrize(
    "other",
    [
        {"verb": "get"},
        {"stage": "RequestReceived"},
        {"objectRef": {"resource": "secrets"}},
        {"objectRef": {"resource": "statefulsets", "apiGroup": "apps.kruise.io"}},
        {"objectRef": {"resource": "statefulsets", "apiGroup": "apps", "subresource": "status"}},
        {"objectRef": {"resource": "pods"}, "verb": "create"},
        {"objectRef": None},
    ],
)
def test_what_is_no_finished_write_to_our_kinds_is_none(other: dict[str, Any]) -> None:
    assert action_of(event(**other)) is None


def test_a_dry_run_is_one_where_the_server_reads_it_and_nowhere_else() -> None:
    def is_dry(**other: Any) -> bool:
        found = action_of(event(**other))
        assert found is not None
        return bool(found.get("dryRun"))

    evicted = {"resource": "pods", "name": "web-0", "subresource": "eviction"}
    whole = {"level": "RequestResponse"}
    assert is_dry(requestURI="/apis?dryRun=All", **whole)
    assert is_dry(requestURI="/apis?dryRun=All", verb="patch")
    assert is_dry(requestObject={"dryRun": ["All"]})
    # A deletion that has a body is asked nothing else, and without bodies there may have been one.
    assert not is_dry(requestURI="/apis?dryRun=All", requestObject={}, **whole)
    assert not is_dry(requestURI="/apis?dryRun=All", level="Metadata")
    cut = {"annotations": {"audit.k8s.io/truncated": "true"}}
    assert not is_dry(requestURI="/apis?dryRun=All", **whole, **cut)
    assert is_dry(
        objectRef=evicted, verb="create", requestObject={"deleteOptions": {"dryRun": ["All"]}}
    )
    assert not is_dry(verb="patch", requestObject={"dryRun": ["All"], "spec": {"replicas": 1}})
    assert not is_dry()


def test_the_query_is_read_as_go_reads_it() -> None:
    def asked(query: str) -> dict[str, Any]:
        found = action_of(event(verb="patch", userAgent="kubectl/v1", requestURI=f"/apis?{query}"))
        assert found is not None
        return found

    for spoilt in ("dryRun=%zz", "dryRun=All;x", "dry%Run=All", "dryRun=All%"):
        assert "dryRun" not in asked(spoilt)
    assert asked("dryRun=All;x&dryRun=All")["dryRun"]
    assert asked("fieldManager=a;b")["manager"] == "kubectl"
    assert asked("fieldManager=a%3Bb&x=%")["manager"] == "a;b"


def test_an_event_whose_bodies_were_cut_off_is_no_more_than_its_metadata() -> None:
    cut = event(level="RequestResponse", annotations={"audit.k8s.io/truncated": "true"})
    found = action_of(cut)
    assert found is not None
    assert found["level"] == "Metadata"


def test_an_id_that_a_client_chose_is_kept_as_its_tag() -> None:
    ordinary = event()
    assert record_id(ordinary, b"k") == f"{ordinary['auditID']}/ResponseComplete"
    assert CANARY not in record_id(event(auditID=CANARY), b"k")
    assert record_id(event(auditID="a"), b"k") == record_id(event(auditID="a"), b"k")


def test_no_value_of_a_body_or_message_is_in_the_record() -> None:
    secret = {"metadata": {"annotations": {"a": CANARY}}, "spec": {"env": [{"value": CANARY}]}}
    raw = event(
        verb="patch",
        auditID=CANARY,
        requestObject=secret,
        responseObject={"kind": "StatefulSet", **secret},
        responseStatus={"code": 422, "message": CANARY, "reason": CANARY},
        requestURI=f"/apis?fieldValidation={CANARY}",
        annotations={"a": CANARY},
    )
    envelope = observer().audited(json.dumps(raw).encode(), at=utc_now())
    assert envelope is not None
    assert CANARY.encode() not in envelope.value
    assert CANARY not in envelope.id
