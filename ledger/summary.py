"""A change told in one line, as people say it: `image nginx:1.24 → 1.25`, `env LOG_LEVEL info →
debug`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ledger.diff import RESTARTED_AT, Change, Field, Key, differs, render_path, restart_only

VALUE_LIMIT = 40
"""Longer values are cut in the middle; `diff` shows them whole."""

_TAG = re.compile(r"redacted:[0-9a-f]+:[0-9a-f]+")
_ONE_OF = {
    "containers": "container",
    "initContainers": "init container",
    "ephemeralContainers": "ephemeral container",
    "ports": "port",
    "volumes": "volume",
    "volumeMounts": "mount",
    "env": "env",
}


def summarize(changes: Sequence[Change], limit: int = 3) -> str:
    """The most telling changes in one line, at most `limit` of them and how many more there are.

    Hidden values are never shown: an env entry that holds one has just "changed".
    """
    if not changes:
        return "no change"
    if restart_only(changes):
        return "restarted"
    if not differs(changes):
        return "not comparable: the redaction key changed"
    known = [change for change in changes if change.comparable and not _is_restart(change)]
    several = len({c.segments[:3] for c in known if _container(c)}) > 1
    ranked = sorted(known, key=_weight)
    told = [_tell(change, name_container=several) for change in ranked[:limit]]
    more = [f"+{len(ranked) - limit} more"] if len(ranked) > limit else []
    return ", ".join([*told, *more])


def plain(text: str) -> str:
    """The same line in ASCII, for pipes and old terminals."""
    return text.replace("→", "->").replace("…", "...")


def _weight(change: Change) -> int:
    if _last(change) == "image":
        return 0
    is_item = isinstance(change.segments[-1], Key)
    return 1 if is_item and change.kind in ("added", "removed") else 2


def _tell(change: Change, *, name_container: bool) -> str:
    container = _container(change)
    prefix = f"{container} " if container and name_container else ""
    subject = _subject(change)
    if change.kind == "reordered":
        return f"{prefix}{subject} reordered"
    if _is_item(change):
        return f"{prefix}{subject} {change.kind}"
    if _hidden(change.old) or _hidden(change.new) or not _is_scalar(change):
        return f"{prefix}{subject} {change.kind}"
    if change.kind == "added":
        return f"{prefix}{subject} {_short(change.new)} added"
    if change.kind == "removed":
        return f"{prefix}{subject} {_short(change.old)} removed"
    if _last(change) == "image":
        return f"{prefix}{subject} {_image_change(str(change.old), str(change.new))}"
    return f"{prefix}{subject} {_short(change.old)} → {_short(change.new)}"


def _subject(change: Change) -> str:
    last = change.segments[-1]
    if isinstance(last, Key):
        holder = change.segments[-2]
        noun = _ONE_OF.get(holder.name, holder.name) if isinstance(holder, Field) else ""
        return f"{noun} {render_path((last,))[1:-1]}".strip()
    names = [segment.name for segment in change.segments if isinstance(segment, Field)]
    if "resources" in names:
        return " ".join([names[-1], names[-2].removesuffix("s")])
    if "annotations" in names or "labels" in names:
        return f"{'annotation' if 'annotations' in names else 'label'} {names[-1]}"
    if _container(change):
        return render_path(change.segments[3:])
    return render_path(change.segments)


def _is_item(change: Change) -> bool:
    return isinstance(change.segments[-1], Key) and change.kind in ("added", "removed")


def _container(change: Change) -> str:
    lists = ("containers", "initContainers", "ephemeralContainers")
    if len(change.segments) > 3 and isinstance(change.segments[1], Field):
        key = change.segments[2]
        if change.segments[1].name in lists and isinstance(key, Key):
            return render_path((key,))[1:-1]
    return ""


def _image_change(old: str, new: str) -> str:
    """`repo:1 → 2` when only the tag differs, both in full otherwise."""
    repository, _, tag = new.rpartition(":")
    if repository and "/" not in tag and old.rpartition(":")[0] == repository:
        return f"{_short(old)} → {_short(tag)}"
    return f"{_short(old)} → {_short(new)}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    text = re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text)
    if not text:
        return '""'
    half = VALUE_LIMIT // 2 - 1
    return text if len(text) <= VALUE_LIMIT else f"{text[:half]}…{text[-half:]}"


def _hidden(value: Any) -> bool:
    return isinstance(value, str) and bool(_TAG.search(value))


def _is_scalar(change: Change) -> bool:
    sides = [side for side in (change.old, change.new) if side is not None]
    return all(isinstance(side, str | int | float | bool) for side in sides)


def _is_restart(change: Change) -> bool:
    return change.segments[-1] == Field(RESTARTED_AT)


def _last(change: Change) -> str:
    last = change.segments[-1]
    return last.name if isinstance(last, Field) else ""
