"""A StatefulSet's life as a watcher beside an audit log records it, told second by second."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ledger.canonical import to_bytes
from ledger.model import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS, Kind, timestamp
from ledger.observe import Observer, Stream
from ledger.reader import LocalReader
from ledger.redaction import Redactor
from ledger.report.collect import Period, collect
from tests.recorded import KEY, KEY_ID, folded

UID = "11111111-1111-1111-1111-111111111111"
BEGIN = datetime(2026, 11, 26, 10, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """A moment of the story."""
    return BEGIN + timedelta(seconds=seconds)


def whole(seconds: float) -> str:
    """The same as the API server tells it."""
    return at(int(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Chronicle:
    """The records, in the order in which they are told."""

    observer: Observer = field(
        default_factory=lambda: Observer("c-1", "feed0001", Redactor("secrets", KEY_ID, KEY))
    )
    values: list[bytes] = field(default_factory=list)

    def begin(self, seconds: float = -5) -> None:
        """The watch begins, and finds an empty cluster."""
        for kind in (STATEFUL_SETS, CONTROLLER_REVISIONS, PODS):
            stream, snapshot = Stream(kind, "*"), self.observer.next_snapshot()
            listed: dict[str, Any] = {
                "objects": 0,
                "parts": 0,
                "resource_version": "50",
                "count": 0,
            }
            facts: tuple[tuple[str, dict[str, Any]], ...] = (
                ("stream-start", {"mode": "fresh", "cursor": ""}),
                ("snapshot-begin", {"snapshot": snapshot}),
                ("snapshot-end", {"snapshot": snapshot, **listed}),
            )
            for fact, told in facts:
                sealed = self.observer.coverage(fact, stream, at=at(seconds), **told)
                self.values.append(sealed.value)

    def state(
        self,
        version: int,
        generation: int,
        seconds: float,
        image: str,
        *,
        replicas: int = 1,
        gone: bool = False,
        **status: Any,
    ) -> None:
        """A state of the set `default/web`, or its deletion."""
        told: dict[str, Any] = _metadata("web", UID, version) | {
            "generation": generation,
            "managedFields": [_owned(seconds)],
        }
        spec: dict[str, Any] = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}}
        spec |= {"template": template(image)}
        raw = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": told, "spec": spec}
        self._see(
            STATEFUL_SETS, raw | {"status": {"replicas": replicas, **status}}, seconds, gone=gone
        )

    def revision(
        self,
        version: int,
        number: int,
        seconds: float,
        name: str,
        image: str,
        *,
        uid: str = "",
        gone: bool = False,
    ) -> None:
        """A ControllerRevision of the set, named `web-NAME`, or its deletion."""
        owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": UID}
        told: dict[str, Any] = _metadata(f"web-{name}", uid or f"{name}-uid", version) | {
            "labels": {"controller.kubernetes.io/hash": name},
            "ownerReferences": [owner | {"controller": True}],
        }
        replaced: dict[str, Any] = {"$patch": "replace"}
        data = {"spec": {"template": replaced | template(image)}}
        raw = {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": told,
            "data": data,
        }
        self._see(CONTROLLER_REVISIONS, raw | {"revision": number}, seconds, gone=gone)

    def pod(
        self,
        version: int,
        seconds: float,
        name: str,
        revision: str,
        *,
        created: float,
        ready: float | None = None,
        ends: bool = False,
        gone: bool = False,
    ) -> None:
        """A pod of the set, or its end; its uid is made of its name and when it was created."""
        owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": UID}
        told: dict[str, Any] = _metadata(name, f"{name}/{created}", version) | {
            "creationTimestamp": whole(created),
            "labels": {
                "controller-revision-hash": f"web-{revision}",
                "statefulset.kubernetes.io/pod-name": name,
            },
            "ownerReferences": [owner | {"controller": True}],
        }
        if ends:
            told["deletionTimestamp"] = whole(seconds)
        condition = {"type": "Ready", "status": "False" if ready is None else "True"}
        condition["lastTransitionTime"] = whole(created if ready is None else ready)
        status = {"phase": "Running", "conditions": [condition]}
        spec = {"containers": [{"name": "app", "image": "app"}]}
        raw = {"apiVersion": "v1", "kind": "Pod", "metadata": told, "spec": spec, "status": status}
        self._see(PODS, raw, seconds, gone=gone)

    def asked(
        self,
        user: str,
        seconds: float,
        verb: str = "patch",
        *,
        version: int,
        generation: int | None = None,
        subresource: str = "",
        imported: str = "",
        **other: Any,
    ) -> None:
        """A request about the set, which took a hundredth of a second."""
        metadata: dict[str, Any] = {"name": "web", "uid": UID, "resourceVersion": str(version)}
        if generation is not None:
            metadata["generation"] = generation
        answer = {"kind": "Scale" if subresource else "StatefulSet", "metadata": metadata}
        ref = {"resource": "statefulsets", "namespace": "default", "name": "web"}
        raw = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "RequestResponse",
            "stage": "ResponseComplete",
            "auditID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{len(self.values)}")),
            "requestURI": "/x?fieldManager=kubectl-set",
            "verb": verb,
            "user": {"username": user},
            "objectRef": ref | {"apiGroup": "apps", "subresource": subresource},
            "requestObject": {"spec": {"template": template("x")}},
            "responseObject": answer | ({"spec": {"replicas": 3}} if subresource else {}),
            "responseStatus": {"code": 200},
            "requestReceivedTimestamp": timestamp(at(seconds)),
            "stageTimestamp": timestamp(at(seconds + 0.01)),
        }
        event = json.dumps(raw | other).encode()
        envelope = self.observer.audited(event, at=at(seconds + 0.5), imported=imported)
        assert envelope is not None
        self.values.append(envelope.value)

    def ledger(self, folder: Path, name: str = "ledger.db") -> Path:
        """The ledger of all this."""
        return folded(self.values, folder / name)

    def _see(self, kind: Kind, raw: dict[str, Any], seconds: float, *, gone: bool = False) -> None:
        see = self.observer.deleted if gone else self.observer.state
        sealed = see(to_bytes(raw), kind=kind, at=at(seconds))
        assert sealed is not None
        self.values.append(sealed.value)


def report(ledger: Path) -> list[dict[str, Any]]:
    """The rows of the report of changes."""
    return [dict(row) for row in collect(LocalReader(ledger), Period()).rows]


def template(image: str) -> dict[str, Any]:
    """A pod template of one container."""
    containers = [{"name": "app", "image": image}]
    return {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": containers}}


def _metadata(name: str, uid: str, version: int) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": "default",
        "uid": uid,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-26T10:00:00Z",
    }


def _owned(seconds: float) -> dict[str, Any]:
    app: dict[str, Any] = {'k:{"name":"app"}': {".": {}, "f:name": {}, "f:image": {}}}
    return {
        "manager": "kubectl-set",
        "operation": "Update",
        "apiVersion": "apps/v1",
        "time": whole(seconds),
        "fieldsV1": {"f:spec": {"f:template": {"f:spec": {"f:containers": app}}}},
    }
