"""Which fields a patch names, without their values; pure.

Paths are JSON pointers (RFC 6901) in which `*` stands for any item of a list. A strategic merge
patch says with directives what it takes away (apimachinery, pkg/util/strategicpatch).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

LIMIT = 512
"""So many paths are kept of one request; `cut` says that there were more."""

LIMIT_CHARACTERS = 1024
"""Longer paths are left out: a request may be of megabytes, and each path repeats those above."""

_UNTOLD = ("/status", "/metadata/managedFields")
_DIRECTIVES = ("$patch", "$retainKeys")
_ORDER = "$setElementOrder/"
_PRIMITIVES = "$deleteFromPrimitiveList/"


def touched_and_removed(patch: Any) -> tuple[list[str], list[str], bool]:
    """The paths that a patch sets and those it takes away, and whether some were left out.

    A list is a JSON patch (RFC 6902), a mapping a merge, strategic merge or apply patch; anything
    else, and an empty mapping anywhere, names no field.
    """
    found = _operations(patch) if isinstance(patch, list) else _fields(patch, "")
    touched: set[str] = set()
    removed: set[str] = set()
    was_cut = False
    for is_removal, path in found:
        paths = removed if is_removal else touched
        if path in paths:
            continue
        if len(path) > LIMIT_CHARACTERS:
            was_cut = True
            continue
        if len(touched) + len(removed) >= LIMIT:
            was_cut = True
            break
        paths.add(path)
    return sorted(touched), sorted(removed), was_cut


def covers(paths: Sequence[str], field: Sequence[str]) -> bool:
    """True when one of the paths is the field, or holds it; `*` stands for items in both."""
    wanted = "".join(f"/{_escaped(name)}" for name in field)
    return any(wanted == path or wanted.startswith(f"{path}/") for path in paths)


def may_cover(paths: Sequence[str], field: Sequence[str]) -> bool:
    """True when one of the paths may be the field, or hold it: in a JSON patch `*` may stand for a
    key of digits too, and `/*` for whatever was left out.
    """
    wanted = [_escaped(name) for name in field]
    found = (path.split("/")[1:] for path in paths)
    return any(
        len(steps) <= len(wanted)
        and all(a in ("*", b) for a, b in zip(steps, wanted, strict=False))
        for steps in found
    )


def _operations(patch: list[Any]) -> Iterator[tuple[bool, str]]:
    for operation in patch:
        if not isinstance(operation, dict) or operation.get("op") == "test":
            continue
        if "path" in operation:
            yield operation.get("op") == "remove", _pointer(operation["path"])
        if "from" in operation and operation.get("op") == "move":
            yield True, _pointer(operation["from"])


def _pointer(told: Any) -> str:
    parts = str(told).split("/")[1:]
    return "".join(f"/{'*' if part == '-' or part.isdecimal() else part}" for part in parts)


def _walk(node: Any, path: str) -> Iterator[tuple[bool, str]]:
    if path in _UNTOLD:
        return
    if node is None:
        yield True, path
    elif isinstance(node, dict):
        yield from _fields(node, path)
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        for item in node:
            yield from _walk(item, f"{path}/*")
    else:
        yield False, path


def _fields(node: Any, path: str) -> Iterator[tuple[bool, str]]:
    if not isinstance(node, dict):
        return
    if node.get("$patch") in ("delete", "replace") or "$retainKeys" in node:
        yield True, path
    if node.get("$patch") == "delete":
        return
    for name, value in node.items():
        if name.startswith(_PRIMITIVES):
            yield True, f"{path}/{_escaped(name.removeprefix(_PRIMITIVES))}"
        elif name not in _DIRECTIVES and not name.startswith(_ORDER):
            yield from _walk(value, f"{path}/{_escaped(name)}")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
