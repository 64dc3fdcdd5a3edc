"""A pod template as its fields by path, the way `diff` writes paths; pure.

A container is told field by field, an env entry with a plain value by that value; an item of any
other keyed list is one field, and so is a list without a merge key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ledger.diff import Field, Key, Segment, keyed, render_path

OPENED = ("containers", "initContainers", "ephemeralContainers")


def fields_of(template: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every field, by path. Never raises for JSON."""
    return {render_path(path): value for path, value in _fields((), template)}


def _fields(
    path: tuple[Segment, ...], holder: Mapping[str, Any]
) -> Iterator[tuple[tuple[Segment, ...], Any]]:
    for name, value in holder.items():
        here = (*path, Field(name))
        if (items := keyed(name, value)) is not None:
            for key, item in items.items():
                yield from _item(name, (*here, key), key, item)
        elif isinstance(value, Mapping) and value:
            yield from _fields(here, value)
        else:
            yield here, value


def _item(
    name: str, path: tuple[Segment, ...], key: Key, item: Mapping[str, Any]
) -> Iterator[tuple[tuple[Segment, ...], Any]]:
    rest = {part: value for part, value in item.items() if part not in dict(key.pairs)}
    if name in OPENED:
        yield from _fields(path, rest)
    elif name == "env" and rest.keys() <= {"value"}:
        yield path, rest.get("value", "")
    else:
        yield path, item
