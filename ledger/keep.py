"""Which objects are kept. The rest is dropped at the watcher, and counted.

StatefulSets of group apps; ControllerRevisions and Pods that belong to one, or did and wait to be
adopted; every claim and volume; Events about StatefulSets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ledger.model import CONTROLLER_REVISIONS, EVENTS, PODS, Kind

FILTER_VERSION = 1
"""Changes with the rules below: a snapshot taken under another filter says nothing about what this
one keeps.
"""

REVISION_LABEL = "controller.kubernetes.io/hash"
POD_LABEL = "statefulset.kubernetes.io/pod-name"


def is_kept(kind: Kind, raw_object: Mapping[str, Any]) -> bool:
    """True when the object is one of those this product is about."""
    if kind == CONTROLLER_REVISIONS:
        return _marked_and_ours(raw_object, REVISION_LABEL)
    if kind == PODS:
        return _marked_and_ours(raw_object, POD_LABEL)
    if kind == EVENTS:
        involved = raw_object.get("involvedObject") or {}
        return (
            involved.get("kind") == "StatefulSet"
            and involved.get("apiVersion", "apps/v1").partition("/")[0] == "apps"
        )
    return True


def controller_of(raw_object: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The owner reference with `controller: true`, None when there is none."""
    references = raw_object["metadata"].get("ownerReferences") or ()
    return next((reference for reference in references if reference.get("controller")), None)


def _marked_and_ours(raw_object: Mapping[str, Any], label: str) -> bool:
    if label not in (raw_object["metadata"].get("labels") or {}):
        return False
    controller = controller_of(raw_object)
    # OpenKruise sets are of kind StatefulSet too, in another API group.
    return controller is None or (
        controller.get("kind") == "StatefulSet"
        and controller.get("apiVersion", "").partition("/")[0] == "apps"
    )
