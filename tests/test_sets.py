"""What is read in a StatefulSet, whole and with everything left out; and kubectl's lines on it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import LedgerError, PoisonRecord
from ledger.rollout.kubectl import status_line
from ledger.rollout.sets import SetStatus, set_status

WHOLE: dict[str, Any] = {
    "metadata": {"name": "web", "generation": 7, "deletionTimestamp": "2026-11-01T00:00:00Z"},
    "spec": {
        "replicas": 5,
        "podManagementPolicy": "Parallel",
        "minReadySeconds": 11,
        "ordinals": {"start": 3},
        "updateStrategy": {
            "type": "Recreate",
            "rollingUpdate": {"partition": 2, "maxUnavailable": "30%"},
        },
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Never"},
    },
    "status": {
        "observedGeneration": 6,
        "currentRevision": "web-1",
        "updateRevision": "web-2",
        "replicas": 4,
        "readyReplicas": 3,
        "availableReplicas": 2,
        "currentReplicas": 1,
        "updatedReplicas": 8,
    },
}
READ = SetStatus(
    generation=7,
    observed_generation=6,
    replicas=5,
    strategy="Recreate",
    has_rolling_update=True,
    update_partition=2,
    max_unavailable="30%",
    pod_management="Parallel",
    ordinals_start=3,
    min_ready_seconds=11,
    when_deleted="Delete",
    when_scaled="Never",
    current_revision="web-1",
    update_revision="web-2",
    pods=4,
    ready_pods=3,
    available_pods=2,
    current_pods=1,
    updated_pods=8,
    terminating=True,
)
BARE = SetStatus(
    generation=0,
    observed_generation=0,
    replicas=1,
    strategy="RollingUpdate",
    has_rolling_update=False,
    update_partition=0,
    max_unavailable="",
    pod_management="OrderedReady",
    ordinals_start=0,
    min_ready_seconds=0,
    when_deleted="Retain",
    when_scaled="Retain",
    current_revision="",
    update_revision="",
    pods=0,
    ready_pods=0,
    available_pods=None,
    current_pods=0,
    updated_pods=0,
    terminating=False,
)
UPDATED = " new pods have been updated...\n"
DONE = replace(
    BARE,
    generation=1,
    observed_generation=1,
    replicas=3,
    current_revision="web-1",
    update_revision="web-1",
    pods=3,
    ready_pods=3,
    current_pods=3,
    updated_pods=3,
)


def test_a_set_is_read_whole() -> None:
    assert set_status(WHOLE) == READ


@pytest.mark.parametrize("status", [{}, {"status": None}, {"status": {}}])
def test_what_a_set_leaves_out_is_what_the_server_would_fill_in(status: dict[str, Any]) -> None:
    assert set_status({"metadata": {}, "spec": {}} | status) == BARE


@pytest.mark.parametrize(
    ("raw_set", "wrong"),
    [
        ({"metadata": {}}, "KeyError 'spec'"),
        ({"spec": {}}, "KeyError 'metadata'"),
        ({"metadata": {}, "spec": {"replicas": "3"}}, "TypeError expected a number, found str"),
        ({"metadata": {}, "spec": {"ordinals": 3}}, "TypeError expected a map, found int"),
    ],
)
def test_what_is_no_set_is_poison_and_says_why(raw_set: dict[str, Any], wrong: str) -> None:
    with pytest.raises(PoisonRecord) as told:
        set_status(raw_set)
    assert str(told.value) == f"not a StatefulSet: {wrong}"


def test_ordinals_are_those_of_the_spec_and_targets_those_at_and_above_the_partition() -> None:
    assert (list(READ.ordinals), list(READ.target_ordinals)) == ([3, 4, 5, 6, 7], [5, 6, 7])
    assert list(replace(READ, replicas=0).ordinals) == []
    assert list(replace(READ, replicas=-1).ordinals) == []
    assert list(replace(READ, update_partition=-1).target_ordinals) == [3, 4, 5, 6, 7]
    assert list(replace(READ, update_partition=9).target_ordinals) == []


@pytest.mark.parametrize(
    ("generation", "observed", "is_observed"),
    [(0, 0, False), (0, 1, False), (1, 0, False), (1, 1, True), (1, 2, True), (2, 1, False)],
)
def test_a_spec_is_observed_once_the_controller_has_caught_up(
    generation: int, observed: int, is_observed: bool
) -> None:
    status = replace(BARE, generation=generation, observed_generation=observed)
    assert status.is_observed is is_observed


@pytest.mark.parametrize(
    ("changed", "line", "is_over"),
    [
        ({}, "statefulset rolling update complete 3 pods at revision web-1...\n", True),
        (
            {"observed_generation": 0},
            "Waiting for statefulset spec update to be observed...\n",
            False,
        ),
        ({"generation": 2}, "Waiting for statefulset spec update to be observed...\n", False),
        (
            {"generation": 0},
            "statefulset rolling update complete 3 pods at revision web-1...\n",
            True,
        ),
        ({"ready_pods": 1}, "Waiting for 2 pods to be ready...\n", False),
        (
            {"ready_pods": 4},
            "statefulset rolling update complete 3 pods at revision web-1...\n",
            True,
        ),
        (
            {"update_revision": "web-2", "updated_pods": 1},
            "waiting for statefulset rolling update to complete 1 pods at revision web-2...\n",
            False,
        ),
        (
            {"has_rolling_update": True, "update_partition": 1, "updated_pods": 1},
            f"Waiting for partitioned roll out to finish: 1 out of 2{UPDATED}",
            False,
        ),
        (
            {"has_rolling_update": True, "update_partition": 1, "updated_pods": 2},
            f"partitioned roll out complete: 2{UPDATED}",
            True,
        ),
    ],
)
def test_kubectls_line_is_told_to_the_letter(
    changed: dict[str, Any], line: str, is_over: bool
) -> None:
    assert status_line(replace(DONE, **changed)) == (line, is_over)


def test_kubectl_follows_no_other_strategy() -> None:
    with pytest.raises(LedgerError) as told:
        status_line(replace(DONE, strategy="OnDelete"))
    assert str(told.value) == "rollout status is only available for RollingUpdate strategy type"
