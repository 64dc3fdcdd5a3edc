"""States that come late, beside what a consumer remembers of the newest ones."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from consumers.follow import Follower
from ledger.model import PODS, STATEFUL_SETS, Kind
from ledger.observe import Observer
from ledger.redaction import Redactor
from ledger.store import Ledger
from tests.real import answer
from tests.recorded import KEY, KEY_ID, Values, folded

BEGIN = datetime(2026, 11, 1, 9, tzinfo=UTC)
OWNER = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "name": "web",
    "uid": "s",
    "controller": True,
}
OBSERVER = Observer("c-1", "feed0001", Redactor("secrets", KEY_ID, KEY))


def record(kind: Kind, raw: dict[str, Any], version: int, at: float) -> bytes:
    """A state as it is recorded."""
    raw["metadata"] |= {"namespace": "shop", "resourceVersion": str(version)}
    raw["metadata"] |= {"creationTimestamp": "2026-11-01T09:00:00Z"}
    sealed = OBSERVER.state(json.dumps(raw).encode(), kind=kind, at=BEGIN + timedelta(seconds=at))
    assert sealed is not None
    return sealed.value


def a_pod(version: int, at: float, reason: str = "") -> bytes:
    """A pod that is ready, or is not for a reason."""
    ready = {"type": "Ready", "status": "False" if reason else "True"}
    waiting = [{"name": "app", "restartCount": 0, "state": {"waiting": {"reason": reason}}}]
    status = {
        "phase": "Running",
        "conditions": [ready | {"lastTransitionTime": "2026-11-01T09:00:05Z"}],
        "containerStatuses": waiting if reason else [],
    }
    labels = {"controller-revision-hash": "web-a", "statefulset.kubernetes.io/pod-name": "web-0"}
    metadata = {"name": "web-0", "uid": "p", "labels": labels, "ownerReferences": [OWNER]}
    spec = {"containers": [{"name": "app", "image": "x"}]}
    return record(PODS, {"metadata": metadata, "spec": spec, "status": status}, version, at)


def a_set(version: int, at: float, update: str) -> bytes:
    """A set with an update revision."""
    template = {"spec": {"containers": [{"name": "app", "image": "x"}]}}
    raw = {
        "metadata": {"name": "web", "uid": "s", "generation": 1},
        "spec": {"replicas": 1, "selector": {}, "template": template},
        "status": {"observedGeneration": 1, "updateRevision": update},
    }
    return record(STATEFUL_SETS, raw, version, at)


def folded_after_restart(before: Sequence[bytes], after: Sequence[bytes], path: Path) -> Path:
    """A ledger that a second consumer has gone on with, record by record."""
    folded(before, path)
    with Ledger.open(path) as ledger:
        follower = Follower(Values([*before, *after]), ledger)
        while follower.step(1):
            pass
    return path


def test_a_late_state_of_a_pod_hides_no_newer_one_after_a_restart(tmp_path: Path) -> None:
    before = [a_set(5, 1, "web-a"), a_pod(30, 3, "CrashLoopBackOff")]
    path = folded_after_restart(before, [a_pod(20, 4), a_pod(40, 5)], tmp_path / "l.db")
    asked = "select ready, reason, resource_version from pod_runs"
    assert answer(path, asked) == [(1, "", 40)]


def test_a_late_state_of_a_set_hides_no_newer_one_after_a_restart(tmp_path: Path) -> None:
    before = [a_set(30, 3, "web-b")]
    after = [a_set(20, 4, "web-a"), a_set(40, 5, "web-a")]
    path = folded_after_restart(before, after, tmp_path / "l.db")
    assert answer(path, "select update_revision from workloads") == [("web-a",)]


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_of_three_states_each_that_differs_is_kept_in_any_order(batch: int, tmp_path: Path) -> None:
    pods = [a_pod(10, 2), a_pod(20, 3, "CrashLoopBackOff"), a_pod(30, 4)]
    sets = [a_set(11, 2, "web-a"), a_set(21, 3, "web-b"), a_set(31, 4, "web-a")]
    for number, order in enumerate(permutations(range(3))):
        values = [a_set(5, 1, "web-a"), *(each[i] for i in order for each in (pods, sets))]
        path = folded(values, tmp_path / f"{number}.db", batch=batch)
        asked = "select resource_version, ready from pod_states order by 1"
        assert answer(path, asked) == [(10, 1), (20, 0), (30, 1)], order
        asked = "select resource_version, update_revision from set_states order by 1"
        assert answer(path, asked)[1:] == [(21, "web-b"), (31, "web-a")], order
