"""The difference of two pod templates, field by field, keyed by Kubernetes' own merge keys.

A list of containers is compared by their names, ports by number and protocol and so on, so an
injected sidecar is "added" and never "web was renamed to istio". Lists without a merge key are
atomic. What redaction hid is compared by its tags: equal tags mean equal secrets, tags of two keys
cannot be compared and say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"

MERGE_KEYS: Mapping[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "protocol"),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
}
"""The list-map keys of the core/v1 API types, by field name."""

KEY_DEFAULTS = {"protocol": "TCP"}
ORDERED = ("initContainers", "env")
"""Keyed lists in which order has a meaning: start order, and what $(NAME) may refer to."""

_TAG = re.compile(r"redacted:([0-9a-f]+):[0-9a-f]+")
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Field:
    """A step to a field of an object."""

    name: str


@dataclass(frozen=True, slots=True)
class Key:
    """A step to the item of a keyed list."""

    pairs: tuple[tuple[str, Any], ...]


Segment = Field | Key


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs; `old` or `new` is None where it was added or removed."""

    segments: tuple[Segment, ...]
    kind: Literal["added", "removed", "changed", "reordered"]
    old: Any
    new: Any
    comparable: bool = True

    @property
    def path(self) -> str:
        """`containers[web].env[LOG_LEVEL]`: the pod template's `spec.` and an env entry's `.value`
        left out.
        """
        return render_path(self.segments)


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Every field in which two pod templates differ, in the order of their names; () when they are
    the same.
    """
    return tuple(_objects((), _plain(old), _plain(new)))


def differs(changes: Sequence[Change]) -> bool:
    """True when something is known to differ: changes that cannot be compared do not count."""
    return any(change.comparable for change in changes)


def restart_only(changes: Sequence[Change]) -> bool:
    """True when nothing but the annotation of `kubectl rollout restart` differs."""
    return bool(changes) and all(
        change.segments == (Field("metadata"), Field("annotations"), Field(RESTARTED_AT))
        or (
            change.segments == (Field("metadata"), Field("annotations"))
            and set(change.old or {}) | set(change.new or {}) == {RESTARTED_AT}
        )
        for change in changes
    )


def count_unchanged(old: Any, new: Any) -> int:
    """How many leaf fields are in both with the same value; keyed lists are compared by key."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return sum(count_unchanged(old[name], new[name]) for name in old.keys() & new.keys())
    if isinstance(old, list) and isinstance(new, list):
        return sum(1 for item in old if item in new)
    return int(old == new)


def render_path(segments: Sequence[Segment]) -> str:
    """A path as people write it."""
    text = ""
    for segment in segments:
        match segment:
            case Field(name) if "." in name or "/" in name:
                text += f"[{name}]"
            case Field(name):
                text += f".{name}" if text else name
            case Key(pairs):
                text += f"[{'/'.join(str(value) for _, value in pairs)}]"
    return text.removeprefix("spec.")


def _objects(
    path: tuple[Segment, ...], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    for name in sorted(old.keys() | new.keys()):
        yield from _values(
            (*path, Field(name)), name, old.get(name, _ABSENT), new.get(name, _ABSENT)
        )


def _values(path: tuple[Segment, ...], name: str, old: Any, new: Any) -> Iterator[Change]:
    if old is _ABSENT:
        yield from _appeared(path, name, new)
    elif new is _ABSENT:
        for change in _appeared(path, name, old):
            yield Change(change.segments, "removed", change.new, None)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _objects(path, old, new)
    elif name in MERGE_KEYS and (keyed := (_keyed(name, old), _keyed(name, new))) and all(keyed):
        yield from _items(path, name, *keyed)  # type: ignore[arg-type]
    elif old != new or type(old) is not type(new):
        yield Change(path, "changed", old, new, _comparable(old, new))


def _appeared(path: tuple[Segment, ...], name: str, value: Any) -> Iterator[Change]:
    """A list of items or a map of annotations that was not there at all: each of its parts is
    added.
    """
    items = _keyed(name, value) if name in MERGE_KEYS else None
    if items:
        for key, item in items.items():
            yield Change((*path, key), "added", None, item)
    elif name in ("annotations", "labels") and isinstance(value, Mapping) and value:
        for label, text in sorted(value.items()):
            yield Change((*path, Field(label)), "added", None, text)
    else:
        yield Change(path, "added", None, value)


def _items(
    path: tuple[Segment, ...], name: str, old: Mapping[Key, Any], new: Mapping[Key, Any]
) -> Iterator[Change]:
    for key in [*old, *(key for key in new if key not in old)]:
        if key not in old:
            yield Change((*path, key), "added", None, new[key])
        elif key not in new:
            yield Change((*path, key), "removed", old[key], None)
        else:
            yield from _item((*path, key), name, old[key], new[key])
    shared = [key for key in old if key in new]
    if name in ORDERED and shared != [key for key in new if key in old]:
        names = [[render_path((key,))[1:-1] for key in side] for side in (old, new)]
        yield Change(path, "reordered", names[0], names[1])


def _item(path: tuple[Segment, ...], name: str, old: Any, new: Any) -> Iterator[Change]:
    if name == "env" and _is_literal(old) and _is_literal(new):
        before, after = old.get("value", ""), new.get("value", "")
        if before != after:
            yield Change(path, "changed", before, after, _comparable(before, after))
    else:
        yield from _objects(path, old, new)


def _is_literal(entry: Mapping[str, Any]) -> bool:
    return set(entry) <= {"name", "value"}


def _keyed(name: str, items: Any) -> dict[Key, Mapping[str, Any]] | None:
    """The items by key; None for what is not a well-formed keyed list, which is then compared as
    one value.

    An env name given twice is legal: the last one counts.
    """
    if not isinstance(items, list):
        return None
    keyed: dict[Key, Mapping[str, Any]] = {}
    for item in items:
        if not isinstance(item, Mapping):
            return None
        pairs = tuple((part, item.get(part, KEY_DEFAULTS.get(part))) for part in MERGE_KEYS[name])
        if any(not isinstance(value, str | int) for _, value in pairs):
            return None
        key = Key(pairs)
        if key in keyed and name != "env":
            return None
        keyed.pop(key, None)
        keyed[key] = item
    return keyed


def _comparable(old: Any, new: Any) -> bool:
    keys = [set(_TAG.findall(str(side))) for side in (old, new)]
    return not (keys[0] and keys[1]) or keys[0] == keys[1]


def _plain(template: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in template.items() if name != "$patch"}
    metadata = plain.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("creationTimestamp", "") is None:
        plain["metadata"] = {k: v for k, v in metadata.items() if k != "creationTimestamp"}
    return plain
