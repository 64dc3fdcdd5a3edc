"""Which fields a patch names, without their values; pure.

Paths are JSON pointers (RFC 6901) in which `*` stands for any item of a list. A strategic merge
patch says with directives what it takes away (apimachinery, pkg/util/strategicpatch).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

LIMIT = 512
"""So many paths are kept of one request; `cut` says that there were more."""

_UNTOLD = ("managedFields", "status")
_ORDER = "$setElementOrder/"
_PRIMITIVES = "$deleteFromPrimitiveList/"


def touched_and_removed(patch: Any) -> tuple[list[str], list[str], bool]:
    """The paths that a patch sets and those it takes away, and whether some were left out.

    A list is a JSON patch (RFC 6902), anything else a merge, strategic merge or apply patch.
    """
    found = _operations(patch) if isinstance(patch, list) else _walk(patch, "")
    touched: set[str] = set()
    removed: set[str] = set()
    for is_removal, path in found:
        if len(touched) + len(removed) >= LIMIT:
            return sorted(touched), sorted(removed), True
        (removed if is_removal else touched).add(path)
    return sorted(touched), sorted(removed), False


def covers(paths: Sequence[str], field: Sequence[str]) -> bool:
    """True when one of the paths is the field, or holds it; `*` stands for items in both."""
    wanted = "".join(f"/{_escaped(name)}" for name in field)
    return any(wanted == path or wanted.startswith(f"{path}/") for path in paths)


def _operations(patch: list[Any]) -> Iterator[tuple[bool, str]]:
    for operation in patch:
        if not isinstance(operation, dict):
            continue
        for name in ("path", "from"):
            if name not in operation or operation.get("op") == "test":
                continue
            parts = str(operation[name]).split("/")[1:]
            path = "".join(f"/{'*' if p == '-' or p.isdecimal() else p}" for p in parts)
            yield operation.get("op") == "remove" or name == "from", path


def _walk(node: Any, path: str) -> Iterator[tuple[bool, str]]:
    if node is None:
        yield True, path
    elif isinstance(node, dict) and node:
        yield from _fields(node, path)
    elif isinstance(node, list) and any(isinstance(item, dict) for item in node):
        for item in node:
            yield from _walk(item, f"{path}/*")
    else:
        yield False, path


def _fields(node: dict[str, Any], path: str) -> Iterator[tuple[bool, str]]:
    if node.get("$patch") in ("delete", "replace") or "$retainKeys" in node:
        yield True, path
    if node.get("$patch") == "delete":
        return
    for name, value in node.items():
        if name.startswith(_PRIMITIVES):
            yield True, f"{path}/{_escaped(name.removeprefix(_PRIMITIVES))}"
        elif not name.startswith(("$patch", "$retainKeys", _ORDER)) and name not in _UNTOLD:
            yield from _walk(value, f"{path}/{_escaped(name)}")


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
