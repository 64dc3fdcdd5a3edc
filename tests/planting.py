"""Objects with planted secrets: every kind of secret in every place where it can stand.

Seeded, so a run can be repeated. Each planted secret is another one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ledger.model import CONTROLLER_REVISIONS, EVENTS, PODS, STATEFUL_SETS, Kind
from tests.planted_places import PLACES, Place
from tests.planted_secrets import SECRETS, Secret, Source


def can_stand(secret: Secret, place: Place) -> bool:
    """False for a combination that cannot be: a plain word that no name announces is no secret
    that anyone could know, a label takes few letters, an id of Kubernetes' own is random by nature
    and only a form tells it from a secret, a header or path has one line."""
    text, _ = secret.make(Source(0))
    fits = len(text) <= 63 and all(letter.isalnum() or letter in "-_." for letter in text)
    match place.takes:
        case "name":
            return True
        case "word":
            return secret.named and " " not in text
        case "named label":
            return fits
        case "label":
            return fits and not secret.named
        case "form":
            return secret.form and "\n" not in text and " " not in text
        case "line":
            return not secret.named and "\n" not in text
    return not secret.named


COMBINATIONS = tuple((s, p) for p in PLACES for s in SECRETS if can_stand(s, p))


@dataclass(frozen=True)
class Planted:
    """An object with one secret in it."""

    kind: Kind
    raw: bytes
    secret: str
    what: str
    """Which kind of secret, in which place."""


def planted(count: int, *, seed: int) -> Iterator[Planted]:
    """That many objects, through all combinations and round again; each another object."""
    source = Source(seed)
    for number in range(count):
        secret, place = COMBINATIONS[number % len(COMBINATIONS)]
        text, hidden = secret.make(source)
        document = _merged(_ordinary(place.kind, number), place.put(text))
        what = f"{secret.name} in {place.name}"
        yield Planted(place.kind, json.dumps(document).encode(), hidden, what)


def _ordinary(kind: Kind, number: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": f"{kind.plural}-{number}",
        "uid": f"00000000-0000-4000-8000-{number:012}",
        "resourceVersion": str(1000 + number),
        "creationTimestamp": "2026-11-23T12:00:00Z",
        "labels": {"app": "web"},
    }
    if kind.namespaced:
        metadata["namespace"] = "shop"
    if kind == STATEFUL_SETS:
        return {"metadata": metadata | {"generation": 1}, "spec": {"replicas": 1}}
    if kind == PODS:
        metadata["labels"]["statefulset.kubernetes.io/pod-name"] = metadata["name"]
    if kind == CONTROLLER_REVISIONS:
        metadata["labels"]["controller.kubernetes.io/hash"] = "5d4f8c6b7"
        return {"metadata": metadata, "revision": number + 1, "data": {}}
    if kind == EVENTS:
        about = {"kind": "StatefulSet", "apiVersion": "apps/v1", "name": "web", "namespace": "shop"}
        return {"metadata": metadata, "involvedObject": about, "type": "Normal"}
    return {"metadata": metadata}


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    both = {k: _merged(v, new[k]) for k, v in old.items() if k in new and isinstance(v, dict)}
    return old | new | both
