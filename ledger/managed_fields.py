"""Who owns which field, from metadata.managedFields: the API server's own record of the last
writer.

A manager's name is what its client claimed, so this is evidence of how a write was made, not of who
made it. fieldsV1 is a tree of `f:<field>`, `k:<merge keys as JSON>`, `v:<value>`, `i:<index>` and
`.` for the thing itself (structured-merge-diff, fieldpath). Which field is meant comes from
diff.py; what follows from it for a revision is left to the fold.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.diff import KEY_DEFAULTS, Change, Field, Index, Key, Segment

TEMPLATE = ("spec", "template")
"""Where a StatefulSet has its pod template."""


@dataclass(frozen=True, slots=True)
class Manager:
    """One entry of managedFields: a field manager, how it wrote, when last (whole seconds, as the
    API server gave it; a scale has no time), and the fieldsV1 tree of what it owns.
    """

    manager: str
    operation: str
    subresource: str
    time: str
    fields: Mapping[str, Any]
    api_version: str


def entries(raw_metadata: object) -> tuple[Manager, ...]:
    """The entries of managedFields; what is absent or malformed is left out."""
    raw_entries = raw_metadata.get("managedFields") if isinstance(raw_metadata, Mapping) else None
    return tuple(
        Manager(
            manager=_text(entry, "manager"),
            operation=_text(entry, "operation"),
            subresource=_text(entry, "subresource"),
            time=_text(entry, "time"),
            fields=entry["fieldsV1"],
            api_version=_text(entry, "apiVersion"),
        )
        for entry in (raw_entries if isinstance(raw_entries, list) else [])
        if isinstance(entry, Mapping) and isinstance(entry.get("fieldsV1"), Mapping)
    )


def owns(manager: Manager, segments: Sequence[Segment]) -> bool:
    """True when the manager owns the field, anything in it, or a value without parts that holds it;
    for an item of a list, when it owns the item itself and not just fields of it.
    """
    return _claim(manager, segments) > 0


def owners_of(
    managers: Sequence[Manager], change: Change, prefix: Sequence[str] = TEMPLATE
) -> tuple[Manager, ...]:
    """The managers that own what a change left; none, as a rule, where it took something away.

    `f:resources: {}` says the same of an atomic value and of a map that was empty when its owner
    wrote it, so where somebody else owns a part of it by name, that claim is the better one.
    """
    segments = (*map(Field, prefix), *change.segments)
    claims = [(_claim(manager, segments), manager) for manager in managers]
    best = max((claim for claim, _ in claims), default=0)
    return tuple(manager for claim, manager in claims if claim == best > 0)


def last_writer(
    before: object,
    after: object,
    changes: Sequence[Change],
    prefix: Sequence[str] = TEMPLATE,
    *,
    adjacent: bool = False,
) -> tuple[Manager, ...]:
    """The managers that can have made these changes between two states of an object, given the
    metadata of both; () when managedFields does not tell.

    Such a manager owns every field that was added or changed, and its entry is another than before.
    Times are whole seconds, so a manager that writes the same field twice within one second leaves
    an equal entry: with no write unseen in between (`adjacent`), owning a field that has another
    value now is proof enough, since a write takes ownership from everybody else.

    A field that was removed has no owner. The API server takes it from whoever owned it and leaves
    that entry's time alone; one that only removes fields does not enter its own name. So where
    nothing was added or changed, the writer can only be one whose entry has a new time, or new
    fields, from something else it wrote; mostly nobody.
    """
    earlier = {_identity(manager): manager for manager in entries(before)}
    written = [c for c in changes if c.comparable and c.kind in ("added", "changed")]
    candidates = [manager for manager in entries(after) if not manager.subresource]
    for change in written:
        owners = owners_of(entries(after), change, prefix)
        candidates = [manager for manager in candidates if manager in owners]
    if written:
        touched = [m for m in candidates if earlier.get(_identity(m)) != m]
        return tuple(touched or (candidates if adjacent else ()))
    if any(change.comparable for change in changes):
        return tuple(m for m in candidates if _has_written(m, earlier.get(_identity(m))))
    return ()


def kubectl_undo(
    before: object, after: object, changes: Sequence[Change], *, adjacent: bool = False
) -> bool:
    """True when a template write looks like `kubectl rollout undo`, given the metadata of the
    StatefulSet before and after it and what it changed in the template.

    kubectl's undo sends no field manager, so the API server takes `kubectl` from its user agent
    (operation Update, no subresource); restart, set, patch, edit and apply each write under a name
    of their own, and scale under a subresource. An undo that only takes fields away leaves no trace
    in managedFields: False. `adjacent` as for last_writer.
    """
    if not any(change.comparable and change.kind in ("added", "changed") for change in changes):
        return False
    writers = last_writer(before, after, changes, adjacent=adjacent)
    return any((m.manager, m.operation) == ("kubectl", "Update") for m in writers)


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def _identity(manager: Manager) -> tuple[str, str, str, str]:
    return manager.manager, manager.operation, manager.subresource, manager.api_version


def _has_written(manager: Manager, earlier: Manager | None) -> bool:
    if earlier is None or manager.time != earlier.time:
        return True
    return not _is_within(manager.fields, earlier.fields)


def _is_within(fields: Any, earlier: Any) -> bool:
    """True when a tree has nothing that an earlier one had not."""
    if not isinstance(fields, Mapping) or not isinstance(earlier, Mapping):
        return bool(fields == earlier)
    return all(name in earlier and _is_within(fields[name], earlier[name]) for name in fields)


def _claim(manager: Manager, segments: Sequence[Segment]) -> int:
    """How many steps of the way to a field the manager owns by name; 0 when it does not own it."""
    node: Any = manager.fields
    for depth, segment in enumerate(segments, start=1):
        node = _step(node, segment)
        if not isinstance(node, Mapping):
            return 0
        if not node:
            return depth
    is_field = not segments or isinstance(segments[-1], Field)
    return len(segments) if is_field or "." in node else 0


def _step(node: Mapping[str, Any], segment: Segment) -> Any:
    match segment:
        case Field(name):
            return node.get(f"f:{name}")
        case Index(place):
            return node.get(f"i:{place}")
        case Key():
            return next((node[name] for name in node if _names(name, segment)), None)


def _names(name: str, key: Key) -> bool:
    """True when a step of fieldsV1 leads to the item of a merge key. Compared as JSON: spaces and
    order of its text may differ.
    """
    if not name.startswith("k:"):
        return False
    try:
        pairs = json.loads(name[2:])
    except (ValueError, RecursionError):
        return False
    wanted = dict(key.pairs)
    defaults = {part: KEY_DEFAULTS[part] for part in wanted if part in KEY_DEFAULTS}
    return isinstance(pairs, dict) and defaults | pairs == wanted
