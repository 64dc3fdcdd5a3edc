"""Who owns which field, from metadata.managedFields: the API server's own record of the last
writer.

A manager's name is what its client claimed, so this is evidence of how a write was made, not of who
made it. fieldsV1 is a tree of `f:<field>`, `k:<merge keys as JSON>`, `v:<value>`, `i:<index>` and
`.` for the item itself (structured-merge-diff, fieldpath).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.diff import Change, Field, Key, Segment

TEMPLATE: tuple[Segment, ...] = (Field("spec"), Field("template"))


@dataclass(frozen=True, slots=True)
class Manager:
    """One entry of managedFields: a field manager, how and when it wrote, and what it owns."""

    name: str
    operation: str
    subresource: str
    at: str
    fields: Mapping[str, Any]


def managers(raw_metadata: Mapping[str, Any]) -> tuple[Manager, ...]:
    """The entries of managedFields; what is malformed is left out."""
    raw_entries = raw_metadata.get("managedFields")
    return tuple(
        Manager(
            str(entry.get("manager", "")),
            str(entry.get("operation", "")),
            str(entry.get("subresource", "")),
            str(entry.get("time", "")),
            entry["fieldsV1"],
        )
        for entry in (raw_entries if isinstance(raw_entries, list) else [])
        if isinstance(entry, Mapping) and isinstance(entry.get("fieldsV1"), Mapping)
    )


def owns(manager: Manager, segments: Sequence[Segment]) -> bool:
    """True when the manager owns the field, or an atomic value that holds it."""
    node: Any = manager.fields
    for segment in segments:
        node = _step(node, segment)
        if node is None:
            return False
        if node == {}:
            return True
    return True


def kubectl_undo(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    changes: Sequence[Change],
    *,
    adjacent: bool,
) -> bool:
    """True when a template write looks like `kubectl rollout undo`.

    kubectl's undo sends no field manager, so the API server takes `kubectl` from its user agent
    (operation Update, no subresource); restart, set, patch, edit and apply each write under a name
    of their own. That manager must own every added or changed field afterwards, and its entry must
    have been touched by this very write. A time of whole seconds cannot tell two writes within one
    second apart, so with no write unseen in between (`adjacent`) owning what this write changed is
    proof enough that it was touched.
    """
    written = [change for change in changes if change.kind in ("added", "changed")]
    earlier = {_identity(manager): manager for manager in managers(before)}
    for manager in managers(after):
        if (manager.name, manager.operation, manager.subresource) != ("kubectl", "Update", ""):
            continue
        touched = earlier.get(_identity(manager)) != manager
        owns_all = all(owns(manager, (*TEMPLATE, *change.segments)) for change in written)
        if owns_all and (touched or (adjacent and bool(written))):
            return True
    return False


def _identity(manager: Manager) -> tuple[str, str, str]:
    return manager.name, manager.operation, manager.subresource


def _step(node: Any, segment: Segment) -> Any:
    if not isinstance(node, Mapping):
        return None
    if isinstance(segment, Field):
        return node.get(f"f:{segment.name}")
    return next((node[name] for name in node if _is_item(name, segment)), None)


def _is_item(name: str, key: Key) -> bool:
    if not name.startswith("k:"):
        return False
    try:
        pairs = json.loads(name[2:])
    except ValueError:
        return False
    return isinstance(pairs, dict) and pairs == dict(key.pairs)
