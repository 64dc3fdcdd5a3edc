"""The one JSON patch that an undo is, and the intent it leaves on the StatefulSet; pure.

It tests uid and generation, so that a change nobody was shown is never overwritten. The
resourceVersion is not tested: it moves with every status update, so a patch that tested it would be
refused at the worst moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNDO_ANNOTATION = "rollout-ledger/undo"
FIELD_MANAGER = "rollout-ledger"


@dataclass(frozen=True, slots=True)
class Intent:
    """What is written beside the template: who reads the ledger later finds the reason there.

    The nonce tells this undo from any other, so that it is known again after a lost connection.
    """

    nonce: str
    base_generation: int
    number: int
    label: str
    workload_uid: str
    """The incarnation that the revision is of."""

    reason: str = ""
    ticket: str = ""

    def spelled(self) -> str:
        """The annotation's value: one JSON object."""
        told: dict[str, Any] = {
            "nonce": self.nonce,
            "baseGeneration": self.base_generation,
            "revision": self.number,
            "label": self.label,
            "workload": self.workload_uid,
        }
        told |= {name: getattr(self, name) for name in ("reason", "ticket") if getattr(self, name)}
        return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def patch_of(
    raw_set: Mapping[str, Any], template: Mapping[str, Any], intent: Intent
) -> list[dict[str, Any]]:
    """The operations that give this StatefulSet the template and the intent.

    They apply as a whole or not at all, and only to this incarnation in this generation.
    """
    metadata = raw_set["metadata"]
    return [
        {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
        {"op": "test", "path": "/metadata/generation", "value": metadata["generation"]},
        *_annotating(metadata, intent),
        {"op": "replace", "path": "/spec/template", "value": dict(template)},
    ]


def nonce_of(raw_set: Mapping[str, Any]) -> str:
    """The nonce of the undo that a StatefulSet's annotation speaks of; empty without one."""
    value = (raw_set["metadata"].get("annotations") or {}).get(UNDO_ANNOTATION, "")
    try:
        told = json.loads(value)
    except ValueError:
        return ""
    return str(told.get("nonce", "")) if isinstance(told, dict) else ""


def _annotating(metadata: Mapping[str, Any], intent: Intent) -> list[dict[str, Any]]:
    value = intent.spelled()
    if metadata.get("annotations") is None:
        # Annotations that came meanwhile would be lost, and do not raise the generation.
        return [
            {"op": "test", "path": "/metadata/annotations", "value": None},
            {"op": "add", "path": "/metadata/annotations", "value": {UNDO_ANNOTATION: value}},
        ]
    escaped = UNDO_ANNOTATION.replace("~", "~0").replace("/", "~1")
    return [{"op": "add", "path": f"/metadata/annotations/{escaped}", "value": value}]
