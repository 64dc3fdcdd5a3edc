"""The difference of two pod templates, field by field, keyed by Kubernetes' own merge keys.

A list of containers is compared by their names, ports by number and protocol and so on, so an
injected sidecar is "added" and never "web was renamed to istio". Lists without a merge key are
atomic, and so is whatever is not shaped as the API server would serve it. What redaction hid is
compared by its tags: equal tags mean equal secrets, tags of two keys cannot be compared and say
nothing. Who wrote a change is for managed_fields.py, how to tell it for summary.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    "claims": ("name",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "resourceClaims": ("name",),
    "schedulingGates": ("name",),
}
"""The list-map keys of the core/v1 API types (`listMapKey`), by field name."""

KEY_DEFAULTS = {"protocol": "TCP"}
ORDERED = ("initContainers", "env")
"""Keyed lists in which order has a meaning: start order, and what $(NAME) may refer to."""

TAG = re.compile(r"redacted:(?P<key>[0-9A-Za-z._-]+):[0-9a-f]{32}(?![0-9a-f])")
"""What redaction puts in a secret's place."""

_OPENED = {"metadata", "spec", "annotations", "labels", "nodeSelector", "securityContext"}
_OPENED |= {"resources", "requests", "limits"}
"""Maps whose entries are told one by one even where the map itself was not there before."""
_CAME_OR_WENT = ("removed", "added")
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Field:
    """A step to a field of an object."""

    name: str


@dataclass(frozen=True, slots=True)
class Key:
    """A step to the item of a keyed list: its merge keys and their values."""

    pairs: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Index:
    """A step to the item of a list by its place: managedFields has such steps, a diff has none."""

    place: int


Segment = Field | Key | Index


@dataclass(frozen=True, slots=True)
class Change:
    """One field or item that differs; `old` or `new` is None where it was added or removed.

    `reordered` holds the items' names in their order. With `comparable` false the two sides are
    hidden under different keys: they may be the same.
    """

    segments: tuple[Segment, ...]
    kind: Literal["added", "removed", "changed", "reordered"]
    old: Any
    new: Any
    comparable: bool = True

    @property
    def path(self) -> str:
        """`containers[web].env[LOG_LEVEL]`: the pod template's `spec.` left out, and `.value` where
        an env entry has another value than before.
        """
        return render_path(self.segments[:-1] if self._is_env_value() else self.segments)

    def _is_env_value(self) -> bool:
        match self.segments:
            case (*_, Field("env"), Key(), Field("value")):
                return self.kind == "changed"
        return False


def diff(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Change, ...]:
    """Every field in which two pod templates differ, in the order of their names.

    Items of keyed lists that came or went are one change each, items in both are compared field by
    field. () means that they differ in nothing but the order of lists whose order has no meaning, a
    null `creationTimestamp`, or `$patch`. Never raises for JSON, however malformed the template.
    """
    changes = list(_fields((), old, new))
    if any(TAG.search(change.path) for change in changes):
        return tuple(_doubting_hidden_names(changes))
    return tuple(changes)


def differs(changes: Sequence[Change]) -> bool:
    """True when something is known to differ: changes that cannot be compared do not count."""
    return any(change.comparable for change in changes)


def restart_only(changes: Sequence[Change]) -> bool:
    """True when nothing but the annotation of `kubectl rollout restart` differs, and nothing else
    may differ unseen.
    """
    mark = (Field("metadata"), Field("annotations"), Field(RESTARTED_AT))
    return [change.segments for change in changes] == [mark] and changes[0].comparable


def count_unchanged(old: Mapping[str, Any], new: Mapping[str, Any]) -> int:
    """How many leaf fields two pod templates share with the same value; keyed items are compared by
    key, and an atomic list is one leaf.
    """
    old, new = _meaningful(old), _meaningful(new)
    return sum(_unchanged(name, old[name], new[name]) for name in old.keys() & new.keys())


def render_path(segments: Sequence[Segment]) -> str:
    """A path as people write it: `metadata.annotations[example.com/x]`, `containers[web].image`."""
    text = ""
    for segment in segments:
        match segment:
            case Field(name) if "." in name or "/" in name:
                text += f"[{name}]"
            case Field(name):
                text += f".{name}" if text else name
            case Key():
                text += f"[{key_text(segment)}]"
            case Index(place):
                text += f"[{place}]"
    return text.removeprefix("spec.")


def key_text(key: Key) -> str:
    """An item's merge keys as people write them: `web`, `80/TCP`."""
    return "/".join(str(value) for _, value in key.pairs)


def _fields(
    path: tuple[Segment, ...], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[Change]:
    old, new = _meaningful(old), _meaningful(new)
    for name in sorted(old.keys() | new.keys()):
        here = (*path, Field(name))
        yield from _values(
            here, name, *_opened(name, old.get(name, _ABSENT), new.get(name, _ABSENT))
        )


def _values(path: tuple[Segment, ...], name: str, old: Any, new: Any) -> Iterator[Change]:
    if old is _ABSENT:
        yield Change(path, "added", None, new)
    elif new is _ABSENT:
        yield Change(path, "removed", old, None)
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _fields(path, old, new)
    elif (old_items := keyed(name, old)) is None or (new_items := keyed(name, new)) is None:
        yield from _whole(path, old, new)
    elif changes := [*_items(path, name, old_items, new_items)]:
        yield from changes
    elif len(old_items) < len(old) or len(new_items) < len(new):
        yield from _whole(path, old, new)


def _whole(path: tuple[Segment, ...], old: Any, new: Any) -> Iterator[Change]:
    if not _same(old, new):
        yield Change(path, "changed", old, new, comparable(old, new))


def _items(
    path: tuple[Segment, ...], name: str, old: Mapping[Key, Any], new: Mapping[Key, Any]
) -> Iterator[Change]:
    defaults = {part: KEY_DEFAULTS[part] for part in MERGE_KEYS[name] if part in KEY_DEFAULTS}
    for key in [*old, *(key for key in new if key not in old)]:
        if key not in old:
            yield Change((*path, key), "added", None, new[key])
        elif key not in new:
            yield Change((*path, key), "removed", old[key], None)
        else:
            yield from _fields((*path, key), defaults | old[key], defaults | new[key])
    if name in ORDERED and [key for key in old if key in new] != [key for key in new if key in old]:
        before, after = ([key_text(key) for key in side] for side in (old, new))
        yield Change(path, "reordered", before, after)


def keyed(name: str, items: Any) -> dict[Key, dict[str, Any]] | None:
    """The items by key; None for what is not a well-formed keyed list.

    An env name given twice is legal: the last one counts.
    """
    if name not in MERGE_KEYS or not isinstance(items, list):
        return None
    keyed: dict[Key, dict[str, Any]] = {}
    for item in items:
        key = _key(MERGE_KEYS[name], item)
        if key is None or (key in keyed and name != "env"):
            return None
        keyed.pop(key, None)
        keyed[key] = item
    return keyed


def _key(parts: Sequence[str], item: Any) -> Key | None:
    if not isinstance(item, Mapping):
        return None
    pairs = tuple((part, item.get(part, KEY_DEFAULTS.get(part))) for part in parts)
    is_well_formed = all(type(value) in (str, int) for _, value in pairs)
    return Key(pairs) if is_well_formed else None


def _opened(name: str, old: Any, new: Any) -> tuple[Any, Any]:
    """The two sides of a field, an absent one taken for empty where the other's parts are told one
    by one.
    """
    there = new if old is _ABSENT else old
    empty: Any = _ABSENT
    if there and isinstance(there, Mapping) and name in _OPENED:
        empty = {}
    elif there and keyed(name, there):
        empty = []
    return (empty if old is _ABSENT else old), (empty if new is _ABSENT else new)


def _meaningful(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields without what carries no meaning.

    ControllerRevisions hold `$patch: replace` (stateful_set_utils.go, getPatch), and servers before
    1.34 wrote `creationTimestamp: null` in every metadata (kubernetes#134773).
    """
    return {
        name: value
        for name, value in fields.items()
        if name != "$patch" and not (name == "creationTimestamp" and value is None)
    }


def _unchanged(name: str, old: Any, new: Any) -> int:
    if old and new and isinstance(old, Mapping) and isinstance(new, Mapping):
        return count_unchanged(old, new)
    old_items, new_items = keyed(name, old), keyed(name, new)
    if old_items and new_items:
        shared = old_items.keys() & new_items.keys()
        return sum(count_unchanged(old_items[key], new_items[key]) for key in shared)
    return int(_same(old, new))


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, str) and isinstance(new, str):
        return old == new
    return _spelled(old) == _spelled(new)


def comparable(old: Any, new: Any) -> bool:
    """False when two values are the same but for tags of different keys."""
    before, after = _spelled(old), _spelled(new)
    if _masked(before) != _masked(after):
        return True
    tags = zip(TAG.finditer(before), TAG.finditer(after), strict=True)
    return any(one["key"] == other["key"] and one[0] != other[0] for one, other in tags)


def _doubting_hidden_names(changes: Sequence[Change]) -> Iterator[Change]:
    """The changes; a name that was itself hidden, under other keys before than after, was perhaps
    neither removed nor added.
    """
    keys: dict[tuple[str, str], set[str]] = {}
    for change in changes:
        keys.setdefault((_masked(_named(change)), change.kind), set()).update(_keys_in(change))
    for change in changes:
        removed, added = (keys.get((_masked(_named(change)), kind)) for kind in _CAME_OR_WENT)
        if change.kind in _CAME_OR_WENT and removed and added and not removed & added:
            yield replace(change, comparable=False)
        else:
            yield change


def _keys_in(change: Change) -> list[str]:
    return TAG.findall(_named(change))


def _named(change: Change) -> str:
    return f"{change.path} {_spelled(change.old if change.kind == 'removed' else change.new)}"


def _masked(text: str) -> str:
    # JSON never holds a NUL as such, so the mask cannot be mistaken for anything.
    return TAG.sub("\0", text)


def _spelled(value: Any) -> str:
    # By spelling 1, 1.0 and true are three values, as in the digest, and a NaN is equal to itself.
    return json.dumps(value, sort_keys=True)
