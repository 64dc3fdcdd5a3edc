"""Who deleted an object that was there again, because etcd was restored from a backup."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.canonical import to_bytes
from ledger.model import STATEFUL_SETS, timestamp
from ledger.observe import Observer
from ledger.redaction import Redactor
from tests.real import answer
from tests.recorded import KEY, KEY_ID, folded

UID = "11111111-1111-1111-1111-111111111111"
BEGIN = datetime(2026, 11, 26, 10, tzinfo=UTC)
RAW_SET: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {
        "name": "web",
        "namespace": "default",
        "uid": UID,
        "generation": 4,
        "creationTimestamp": "2026-11-26T09:00:00Z",
    },
    "spec": {
        "replicas": 1,
        "template": {"spec": {"containers": [{"name": "app", "image": "app:1"}]}},
    },
}


class Restored:
    """The records of a cluster of which etcd is restored after a deletion."""

    def __init__(self) -> None:
        self.observer = Observer("c-1", "feed0001", Redactor("secrets", KEY_ID, KEY))
        self.values: list[bytes] = []

    def state(
        self, version: int, seconds: float, *, ends: bool = False, gone: bool = False
    ) -> None:
        """A state of the set, or its end."""
        metadata = RAW_SET["metadata"] | {"resourceVersion": str(version)}
        if ends:
            metadata |= {"deletionTimestamp": "2026-11-26T10:00:00Z"}
        observe = self.observer.deleted if gone else self.observer.state
        raw = to_bytes(RAW_SET | {"metadata": metadata})
        sealed = observe(raw, kind=STATEFUL_SETS, at=BEGIN + timedelta(seconds=seconds))
        assert sealed is not None
        self.values.append(sealed.value)

    def delete(self, user: str, seconds: float) -> None:
        """Somebody's request to delete it."""
        received, completed = (BEGIN + timedelta(seconds=seconds + each) for each in (0, 0.01))
        event = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "auditID": f"0b3f4f3e-1111-4111-8111-{int(seconds):012}",
            "level": "RequestResponse",
            "stage": "ResponseComplete",
            "verb": "delete",
            "requestURI": "/apis/apps/v1/namespaces/default/statefulsets/web",
            "user": {"username": user},
            "objectRef": {
                "resource": "statefulsets",
                "apiGroup": "apps",
                "namespace": "default",
                "name": "web",
            },
            "requestObject": {},
            "responseStatus": {"code": 200, "details": {"uid": UID}},
            "requestReceivedTimestamp": timestamp(received),
            "stageTimestamp": timestamp(completed),
        }
        sealed = self.observer.audited(json.dumps(event).encode(), at=completed, imported="")
        assert sealed is not None
        self.values.append(sealed.value)


@pytest.mark.parametrize("ends", [False, True], ids=["at once", "with a state of its ending"])
def test_a_deletion_after_a_restore_is_not_credited_to_who_deleted_it_before(
    ends: bool, tmp_path: Path
) -> None:
    story = Restored()
    story.state(100, 0)
    story.delete("alice", 10)
    if ends:
        story.state(109, 10.011, ends=True)
    story.state(110, 10.012, gone=True)
    story.observer.epoch = 2
    story.state(100, 60)
    story.delete("bob", 100)
    if ends:
        story.state(104, 100.011, ends=True)
    story.state(105, 100.012, gone=True)
    asked = "select actor, basis from authors where what = 'deletion'"
    for seed in range(12):
        values = [*story.values]
        if seed:
            random.Random(seed).shuffle(values)
        path = folded(values, tmp_path / f"{seed}.db", batch=1 + seed % 4)
        assert answer(path, asked) == [("bob", "exact")], seed
