"""What a report says of one change: why to look at it, and what of it decides what code may do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.report.rows import EXCEPTIONS, FIELDS, exceptions_of, row_of

RAW: dict[str, Any] = dict.fromkeys(FIELDS) | {
    "what": "change",
    "namespace": "shop",
    "workload": "web",
    "workload_uid": "u1",
    "at": "2026-11-01T10:05:00.000000Z",
    "actor": "bob@example.com",
    "basis": "exact",
    "ticket": "CHG-1",
    "addresses": None,
    "spec_fields": None,
    "template_before": None,
    "template_after": None,
    "write_record": 4,
    "actor_record": 7,
    "record": 5,
    "generation": 2,
    "revision_to": 2,
}
GAP = {
    "kind": "statefulsets",
    "scope": "*",
    "covered": 0,
    "last_seen_at": "2026-11-01T10:00:00.000000Z",
    "closed_at": "2026-11-01T10:06:00.000000Z",
    "detail": "{}",
}


def told(gap: dict[str, Any] | None = None, **columns: Any) -> list[str]:
    return exceptions_of(RAW | columns, [GAP | gap] if gap is not None else [])


def test_a_change_with_actor_and_ticket_is_nothing_to_look_at() -> None:
    assert told() == []


@pytest.mark.parametrize(
    ("columns", "reasons"),
    [
        ({"ticket": None}, ["no ticket"]),
        ({"actor": None, "basis": "unknown"}, ["unknown actor"]),
        ({"basis": "claimed", "actor": "kubectl"}, ["actor only claimed"]),
        ({"basis": "probable"}, []),
        ({"undone_after_s": 3600.0}, ["undone within an hour"]),
        ({"undone_after_s": 3600.1}, []),
        ({"undone_after_s": 0.0}, ["undone within an hour"]),
        ({"approver": "Bob@Example.com "}, ["approved by its actor"]),
        ({"approver": "carol@example.com"}, []),
        ({"approver": "sa:ci/d", "actor": "system:serviceaccount:ci:d"}, ["approved by its actor"]),
        ({"approver": "alice", "impersonated": "alice"}, ["approved by its actor"]),
        ({"approver": "", "actor": None, "basis": "unknown"}, ["unknown actor"]),
        ({"what": "imported"}, ["in a gap"]),
        ({"what": "platform", "actor": None, "ticket": None, "basis": "unknown"}, []),
        ({"what": "adopted", "actor": None, "ticket": None, "basis": "unknown"}, []),
        ({"what": "deleted", "actor": None, "ticket": None}, ["unknown actor", "no ticket"]),
    ],
)
def test_each_reason_to_look_has_its_cause(columns: dict[str, Any], reasons: list[str]) -> None:
    assert told(**columns) == reasons


@pytest.mark.parametrize(
    ("gap", "columns", "lies_in"),
    [
        ({}, {}, True),
        ({"kind": "*"}, {}, True),
        ({"kind": "controllerrevisions"}, {}, True),
        ({"kind": "pods"}, {}, False),
        ({"kind": "pods"}, {"what": "pod deleted"}, True),
        ({"kind": "persistentvolumeclaims"}, {"what": "claim deleted"}, True),
        ({}, {"what": "pod deleted"}, False),
        ({"scope": "shop"}, {}, True),
        ({"scope": "data"}, {}, False),
        ({"covered": 1}, {}, False),
        ({"closed_at": None}, {}, True),
        ({"closed_at": RAW["at"]}, {}, True),
        ({"closed_at": "2026-11-01T10:04:59.000000Z"}, {}, False),
        ({"last_seen_at": RAW["at"]}, {}, False),
        ({"detail": '{"uid":"u1"}'}, {}, True),
        ({"detail": '{"uid":"u2"}'}, {}, False),
    ],
)
def test_a_change_lies_in_a_gap_of_its_own_stream(
    gap: dict[str, Any], columns: dict[str, Any], lies_in: bool
) -> None:
    assert told(gap, **columns) == (["in a gap"] if lies_in else [])


def test_the_gravest_reason_comes_first() -> None:
    everything = told({}, actor=None, basis="unknown", ticket=None, undone_after_s=1.0)
    assert everything == sorted(everything, key=EXCEPTIONS.index)
    assert everything == ["unknown actor", "in a gap", "undone within an hour", "no ticket"]


def row(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    templates = {
        "template_before": json.dumps({"spec": before}) if before is not None else None,
        "template_after": json.dumps({"spec": after}),
    }
    return row_of(RAW | templates, "c1", [])


def pod(**spec: Any) -> dict[str, Any]:
    return {"containers": [{"name": "web", "image": "web:1"}], "securityContext": {}} | spec


ROOT = [{"name": "web", "image": "web:1", "securityContext": {"privileged": True}}]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (pod(), pod(containers=[{"name": "web", "image": "web:2"}]), "image"),
        (pod(), pod(containers=ROOT), "securityContext"),
        (pod(containers=ROOT), pod(), "securityContext"),
        (pod(), pod(securityContext={"runAsUser": 0}), "securityContext"),
        (pod(), pod(hostNetwork=True), "hostNetwork"),
        (pod(), pod(serviceAccountName="admin"), "service account"),
        (pod(), pod(volumes=[{"name": "root", "hostPath": {"path": "/"}}]), "hostPath"),
        (pod(), pod(volumes=[{"name": "tmp", "emptyDir": {}}]), None),
        (pod(), pod(initContainers=[{"name": "i", "image": "i:1"}]), "image"),
        (pod(), pod(terminationGracePeriodSeconds=5), None),
        (None, pod(), "image"),
        (None, pod(hostPID=True), "hostPID, image"),
    ],
)
def test_a_privileged_change_is_one_of_what_runs_or_what_it_may(
    before: dict[str, Any] | None, after: dict[str, Any], told: str | None
) -> None:
    assert row(before, after)["privileged_change"] == told


def test_a_first_revision_changes_no_fields() -> None:
    assert row(None, pod())["fields_changed"] is None
    assert row(pod(), pod(hostNetwork=True))["fields_changed"] == "hostNetwork"


def test_the_records_of_a_change_are_bounded_by_the_first_and_the_last() -> None:
    told = row_of(RAW, "c1", [])
    assert (told["event_seq_first"], told["event_seq_last"], told["record"]) == (4, 7, 5)
    bare = RAW | {"write_record": None, "actor_record": None, "record": None, "revision_to": None}
    told = row_of(bare, "c1", [])
    assert (told["event_seq_first"], told["event_seq_last"]) == (None, None)
    assert told["evidence_url"] is None
