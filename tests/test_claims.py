"""What is read in claims, volumes, claim templates and Events of the controller."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import PoisonRecord
from ledger.rollout.claims import (
    bytes_of,
    claim_state,
    claim_templates,
    readings,
    volume_state,
)
from ledger.rollout.refusals import refusal

METADATA = {"name": "data-web-0", "uid": "u"}


@pytest.mark.parametrize(
    ("quantity", "size"),
    [
        ("1Gi", 2**30),
        ("1.5Gi", 3 * 2**29),
        ("500M", 500_000_000),
        ("1k", 1000),
        ("1Ki", 1024),
        ("2e3", 2000),
        ("1E", 10**18),
        ("1500m", 2),
        ("7", 7),
        (".5Ki", 512),
        ("1Zi", None),
        ("10GiB", None),
        ("many", None),
        ("", None),
        ("9e99", None),
    ],
)
def test_quantities_are_bytes_rounded_up(quantity: str, size: int | None) -> None:
    assert bytes_of(quantity) == size


def test_a_claims_name_may_be_read_in_every_way_that_dashes_allow() -> None:
    assert list(readings("a-b-c-7")) == [("a", "b-c", 7), ("a-b", "c", 7)]
    assert list(readings("data-web-0")) == [("data", "web", 0)]
    for name in ("data-web-x", "data-web-01", "data-web-", "data", "data-0"):
        assert list(readings(name)) == []


def test_a_claim_is_read_whole() -> None:
    owner = {"kind": "Pod", "name": "web-0", "uid": "p", "controller": True}
    raw = {
        "metadata": METADATA
        | {
            "ownerReferences": [owner],
            "finalizers": ["z/z", "a/a"],
            "labels": {"controller-revision-hash": "web-1"},
            "deletionTimestamp": "2026-11-01T00:00:00Z",
        },
        "spec": {
            "volumeName": "pv-1",
            "storageClassName": "fast",
            "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
        "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}},
    }
    found = claim_state(raw)
    assert (found.phase, found.volume, found.asked, found.capacity) == (
        "Bound",
        "pv-1",
        "1Gi",
        "2Gi",
    )
    assert (found.storage_class, found.access_modes) == ("fast", "ReadOnlyMany ReadWriteOnce")
    assert (found.finalizers, found.revision) == (("a/a", "z/z"), "web-1")
    assert found.terminating_at == "2026-11-01T00:00:00.000000Z"
    assert [(o.kind, o.name, o.uid, o.is_controller) for o in found.owners] == [
        ("Pod", "web-0", "p", True)
    ]


def test_no_class_is_not_the_empty_class() -> None:
    bare = {"metadata": METADATA, "spec": {}, "status": {}}
    assert claim_state(bare).storage_class is None
    assert claim_state(bare | {"spec": {"storageClassName": ""}}).storage_class == ""


@pytest.mark.parametrize(
    ("source", "word", "handle"),
    [
        ({"csi": {"driver": "d", "volumeHandle": "h"}}, "csi", "d:h"),
        ({"nfs": {"server": "s", "path": "/p"}}, "nfs", "s:/p"),
        ({"local": {"path": "/p"}}, "local", "/p"),
        ({"quantum": {"foam": 1}}, "", ""),
        ({}, "", ""),
    ],
)
def test_a_volume_says_what_it_is_in_its_storage(
    source: dict[str, Any], word: str, handle: str
) -> None:
    found = volume_state({"metadata": METADATA, "spec": source})
    assert (found.source, found.handle) == (word, handle)


def test_who_set_a_claim_ref_is_the_last_manager_that_owns_it() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:claimRef": {"f:uid": {}}}}
    entries = [
        {"manager": "later", "time": "2026-11-02T00:00:00Z", "fieldsV1": fields},
        {"manager": "first", "time": "2026-11-01T00:00:00Z", "fieldsV1": fields},
        {"manager": "last", "time": "2026-11-03T00:00:00Z", "fieldsV1": {"f:status": {}}},
    ]
    claim = {"namespace": "n", "name": "c", "uid": "u"}
    raw = {"metadata": METADATA | {"managedFields": entries}, "spec": {"claimRef": claim}}
    found = volume_state(raw)
    assert found.claim_set_by == "later"
    assert (found.claim_namespace, found.claim_name, found.claim_uid) == ("n", "c", "u")
    assert volume_state(raw | {"spec": {}}).claim_set_by == ""


def test_claim_templates_are_read_in_their_order() -> None:
    raw = {
        "spec": {
            "volumeClaimTemplates": [
                {"metadata": {"name": "b"}, "spec": {"storageClassName": "x"}},
                {"metadata": {"name": "a"}, "spec": {"resources": {"requests": {"storage": "1"}}}},
            ]
        }
    }
    assert [(one.name, one.asked, one.storage_class) for one in claim_templates(raw)] == [
        ("b", "", "x"),
        ("a", "1", None),
    ]
    assert claim_templates({}) == ()


@pytest.mark.parametrize(
    "raw",
    [
        {},
        {"metadata": METADATA, "spec": []},
        {"metadata": METADATA, "spec": {"volumeName": 7}},
        {"metadata": METADATA | {"ownerReferences": [{}]}},
        {"metadata": METADATA | {"labels": []}},
    ],
)
def test_what_no_api_server_serves_is_poison(raw: dict[str, Any]) -> None:
    with pytest.raises(PoisonRecord, match="not a claim"):
        claim_state(raw)


@pytest.mark.parametrize("verb", ["Create", "create"])
@pytest.mark.parametrize("claim", ["", "Claim data-web-1 for "])
def test_a_refusal_is_read_from_the_controllers_sentence(verb: str, claim: str) -> None:
    message = f"{verb} {claim}Pod web-1 in StatefulSet web failed error: no\nway"
    raw = {
        "reason": "FailedCreate",
        "message": message,
        "involvedObject": {"uid": "s"},
        "count": 3,
        "firstTimestamp": "2026-11-01T00:00:00Z",
        "lastTimestamp": "2026-11-01T00:00:09Z",
    }
    told = refusal(raw)
    assert told is not None
    assert (told.set_uid, told.pod, told.message, told.count) == ("s", "web-1", "no\nway", 3)
    assert (told.first_at, told.last_at) == (
        "2026-11-01T00:00:00.000000Z",
        "2026-11-01T00:00:09.000000Z",
    )
    assert refusal(raw | {"reason": "FailedDelete"}) is None
    assert refusal(raw | {"message": "something else"}) is None


def test_a_refusal_in_a_series_counts_by_the_series() -> None:
    raw = {
        "reason": "FailedCreate",
        "message": "Create Pod web-1 in StatefulSet web failed error: no",
        "involvedObject": {"uid": "s"},
        "eventTime": "2026-11-01T00:00:00.5Z",
        "series": {"count": 9, "lastObservedTime": "2026-11-01T00:01:00Z"},
    }
    told = refusal(raw)
    assert told is not None
    assert (told.count, told.last_at) == (9, "2026-11-01T00:01:00.000000Z")
    with pytest.raises(PoisonRecord, match="not an Event"):
        refusal(raw | {"message": 7})
