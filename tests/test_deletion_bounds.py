"""When an object that nobody saw deleted is thought to have gone, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.model import CLAIMS, STATEFUL_SETS, Kind
from ledger.observe import Observer, Stream
from ledger.redaction import Redactor
from tests.real import answer
from tests.recorded import KEY, KEY_ID, folded

BEGIN = datetime(2026, 11, 1, 9, tzinfo=UTC)
OWNER = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "name": "web",
    "uid": "s",
    "controller": True,
}


def at(seconds: float) -> datetime:
    """A time of the story."""
    return BEGIN + timedelta(seconds=seconds)


def raw_object(name: str, uid: str, version: int, **more: Any) -> dict[str, Any]:
    """What every object has."""
    metadata = {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": str(version)}
    metadata["creationTimestamp"] = "2026-11-01T09:00:00Z"
    return {"metadata": metadata | more.pop("metadata", {}), **more}


def observer(name: str) -> Observer:
    """A watcher."""
    return Observer("c-1", name, Redactor("secrets", KEY_ID, KEY))


def observed(kind: Kind, raw: dict[str, Any], seconds: float, *, gone: bool = False) -> bytes:
    """A state, or a deletion."""
    watcher = observer("feed0001")
    see = watcher.deleted if gone else watcher.state
    sealed = see(json.dumps(raw).encode(), kind=kind, at=at(seconds))
    assert sealed is not None
    return sealed.value


def listed(name: str, version: int, seconds: float, named: dict[str, str]) -> list[bytes]:
    """A complete list of StatefulSets that names these, by one of two watchers."""
    watcher, stream = observer(name), Stream(STATEFUL_SETS, "*")
    snapshot = watcher.next_snapshot()
    end = {"count": len(named), "resource_version": str(version)}
    told: list[tuple[str, dict[str, Any]]] = [
        ("snapshot-begin", {}),
        ("snapshot-part", {"unchanged": named}),
        ("snapshot-end", end),
    ]
    return [
        watcher.coverage(mark, stream, at=at(seconds), snapshot=snapshot, **data).value
        for mark, data in told
    ]


def test_why_a_claim_went_does_not_depend_on_which_list_came_first(tmp_path: Path) -> None:
    retention = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}
    template = {"spec": {"containers": [{"name": "app", "image": "x"}]}}
    claims = {"volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}]}
    spec = {"replicas": 1, "selector": {}, "template": template, **retention, **claims}
    owned = {"ownerReferences": [OWNER]}
    ending = owned | {"deletionTimestamp": "2026-11-01T09:01:00Z"}
    claim = raw_object("data-web-0", "c", 7, metadata=owned, spec={}, status={"phase": "Bound"})
    gone = raw_object("data-web-0", "c", 50, metadata=ending, spec={}, status={"phase": "Bound"})
    values = [
        observed(STATEFUL_SETS, raw_object("web", "s", 5, spec=spec), 1),
        observed(CLAIMS, claim, 1),
        observed(CLAIMS, gone, 60, gone=True),
    ]
    # The set lived 40 seconds longer than its claim, as only one of the watchers has seen.
    lists: Sequence[list[bytes]] = (
        listed("feed0002", 100, 100, {"s": "5"}),
        listed("feed0003", 200, 200, {}),
    )
    for number, order in enumerate((lists, lists[::-1])):
        path = tmp_path / f"{number}.db"
        folded([*values, *(value for each in order for value in each)], path, batch=1)
        asked = "select deleted_why from claims"
        assert answer(path, asked) == [("by hand",)], number
        asked = "select deleted_after, deleted_at from workloads"
        [(after, until)] = answer(path, asked)
        assert (after[14:19], until[14:19]) == ("01:40", "03:20")


def test_why_a_claim_of_another_name_went_does_not_depend_on_whose_end_came_first(
    tmp_path: Path,
) -> None:
    retention = {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}
    template = {"spec": {"containers": [{"name": "app", "image": "x"}]}}
    spec = {"replicas": 1, "selector": {}, "template": template, **retention}
    owned = {"ownerReferences": [OWNER]}
    ending = owned | {"deletionTimestamp": "2026-11-01T09:00:20Z"}
    claim = raw_object("shared", "c", 7, metadata=owned, spec={}, status={"phase": "Bound"})
    gone = raw_object("shared", "c", 11, metadata=ending, spec={}, status={"phase": "Bound"})
    values = [
        observed(STATEFUL_SETS, raw_object("web", "s", 5, spec=spec), 1),
        observed(CLAIMS, claim, 2),
    ]
    ends = (
        observed(STATEFUL_SETS, raw_object("web", "s", 10, spec=spec), 20, gone=True),
        observed(CLAIMS, gone, 20.5, gone=True),
    )
    for number, order in enumerate((ends, ends[::-1])):
        path = folded([*values, *order], tmp_path / f"{number}.db", batch=1)
        asked = "select deleted_why from claims"
        assert answer(path, asked) == [("retention whenDeleted",)], number
