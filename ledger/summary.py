"""A change told in one line, as people say it: `image nginx:1.24 → 1.25`, `env LOG_LEVEL info →
debug`.

For the CHANGE column of `history`, where a line has to be short and safe to print: what redaction
hid stays unsaid, control characters are escaped, long values are cut in the middle. The whole truth
is left to `diff`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from ledger.diff import (
    RESTARTED_AT,
    TAG,
    Change,
    Field,
    Key,
    Segment,
    differs,
    key_text,
    render_path,
    restart_only,
)

LINE_LIMIT = 70
VALUE_LIMITS = (40, 28, 20)
"""How many characters of a value are shown: the most with which the line keeps its limit."""

_NOUNS = {
    "containers": "container",
    "initContainers": "init container",
    "ephemeralContainers": "ephemeral container",
    "ports": "port",
    "volumes": "volume",
    "volumeMounts": "mount",
    "volumeDevices": "device",
    "imagePullSecrets": "pull secret",
    "hostAliases": "host alias",
    "topologySpreadConstraints": "topology spread",
    "resourceClaims": "resource claim",
    "schedulingGates": "scheduling gate",
    "claims": "claim",
    "requests": "request",
    "limits": "limit",
    "annotations": "annotation",
    "labels": "label",
}
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_LONG_DIGEST = re.compile(r"(sha256:[0-9a-f]{12})[0-9a-f]{52}")


def summarize(changes: Sequence[Change], limit: int = 3) -> str:
    """The most telling changes in one line of at most 70 characters: up to `limit` of them, one at
    least, and how many more there are.

    Hidden values are never shown: an env entry that holds one has just "changed". What cannot be
    compared is counted, not told.
    """
    if not changes:
        return "no change"
    if not differs(changes):
        return "not comparable: the redaction key changed"
    known = sorted(_joined([c for c in changes if c.comparable]), key=_weight)
    unknown = sum(not change.comparable for change in changes)
    for shown in range(min(limit, len(known)), 0, -1):
        rest = _rest(more=len(known) - shown, unknown=unknown)
        for width in VALUE_LIMITS:
            line = ", ".join(_tell(change, width, known) for change in known[:shown]) + rest
            if len(line) <= LINE_LIMIT:
                return line
    rest = _rest(more=len(known) - 1, unknown=unknown)
    return _cut(_tell(known[0], VALUE_LIMITS[-1], known), LINE_LIMIT - len(rest)) + rest


def plain(text: str) -> str:
    """The same line with ASCII signs, for pipes and old terminals."""
    return text.replace("→", "->").replace("…", "...")


def _joined(changes: Sequence[Change]) -> Iterator[Change]:
    """The changes as people count them: an env entry that takes its value from elsewhere now has
    changed once, and one without a value had an empty one.
    """
    sources = {change.segments for change in changes if change.kind in ("added", "removed")}
    for change in changes:
        match change.segments:
            case (*entry, Field("env"), Key() as key, Field("value")):
                if (*entry, Field("env"), key, Field("valueFrom")) not in sources:
                    yield replace(
                        change, kind="changed", old=change.old or "", new=change.new or ""
                    )
            case (*entry, Field("env"), Key() as key, Field("valueFrom")):
                yield Change((*entry, Field("env"), key), "changed", None, None)
            case _:
                yield change


def _weight(change: Change) -> int:
    match change.segments:
        case (Field("metadata"), Field("annotations"), Field(name)):
            return 4 if name == RESTARTED_AT else 3
        case (Field("metadata"), *_):
            return 3
        case (_, _, _, Field("image")) if _container(change):
            return 0
        case (_, Field(name), Key()) if name in _CONTAINERS:
            return 1
    return 2


def _rest(*, more: int, unknown: int) -> str:
    return (f", +{more} more" if more else "") + (f", {unknown} not comparable" if unknown else "")


def _tell(change: Change, width: int, known: Sequence[Change]) -> str:
    if restart_only([change]):
        return "restartedAt removed" if change.kind == "removed" else "restarted"
    names = [_container(other) for other in known]
    is_ambiguous = len({*names} - {""}) > 1 or change.segments[1:2] == (Field("initContainers"),)
    prefix = f"{_container(change)} " if _container(change) and is_ambiguous else ""
    return f"{_safe(prefix + _subject(change, known))} {_what(change, width)}"


def _container(change: Change) -> str:
    """The container in which something changed; empty for a container that came or went."""
    match change.segments:
        case (Field("spec"), Field(name), Key() as key, _, *_) if name in _CONTAINERS:
            return key_text(key)
    return ""


def _subject(change: Change, known: Sequence[Change]) -> str:
    segments = change.segments[3:] if _container(change) else change.segments
    if segments[0] == Field("spec"):
        segments = segments[1:]
    match segments:
        case (Field("resources"), Field("requests" | "limits" as holder), Field(name)):
            return f"{name} {_NOUNS[holder]}"
        case (Field("resources"), Field("claims"), Key() as key, *rest):
            return _item("claim", key, rest)
        case (Field("metadata"), Field("annotations" | "labels" as holder), Field(name)):
            return f"{_NOUNS[holder]} {name}"
        case (Field("env"), Key() as key, Field("value")):
            return f"env {key_text(key)}"
        case (Field(holder), Key() as key):
            return _item(_noun(holder, change, known), key, ())
        case (Field(holder), Key() as key, *rest):
            return _item(_NOUNS.get(holder, holder), key, rest)
    return render_path(segments)


def _item(noun: str, key: Key, rest: Sequence[Segment]) -> str:
    return f"{noun} {key_text(key)} {render_path(rest)}".strip()


def _noun(holder: str, change: Change, known: Sequence[Change]) -> str:
    """A container that joins others is a sidecar; one that comes where another goes is not."""
    if holder == "containers" and change.kind == "added":
        here = change.segments[:-1]
        is_exchange = any(c.kind == "removed" and c.segments[:-1] == here for c in known)
        return "container" if is_exchange else "sidecar"
    item = change.new if change.kind == "added" else change.old
    if holder == "initContainers" and item and item.get("restartPolicy") == "Always":
        return "sidecar"
    return _NOUNS.get(holder, holder)


def _what(change: Change, width: int) -> str:
    """What happened, with the values where they can be shown."""
    is_annotation = change.segments[:2] == (Field("metadata"), Field("annotations"))
    if change.kind == "reordered" or is_annotation or isinstance(change.segments[-1], Key):
        return change.kind
    if isinstance(change.old, list) and isinstance(change.new, list):
        return _list_change(change.old, change.new, width)
    value = change.new if change.kind == "added" else change.old
    if not _can_show(value, change.new if change.kind == "changed" else value):
        return change.kind
    if change.kind != "changed":
        return f"{_short(value, width)} {change.kind}"
    if _weight(change) == 0:
        return _image_change(str(change.old), str(change.new), width)
    return _arrow(_short(change.old, width), _short(change.new, width))


def _list_change(old: list[Any], new: list[Any], width: int) -> str:
    """The one element that differs, where it is one."""
    if len(old) == len(new):
        pairs = [(one, other) for one, other in zip(old, new, strict=True) if one != other]
        if len(pairs) == 1 and _can_show(*pairs[0]):
            return _arrow(*(_short(element, width) for element in pairs[0]))
    for longer, shorter, kind in ((new, old, "added"), (old, new, "removed")):
        for place, element in enumerate(longer if len(longer) == len(shorter) + 1 else ()):
            if longer[:place] + longer[place + 1 :] == shorter and _can_show(element):
                return f"{_short(element, width)} {kind}"
    return "changed"


def _image_change(old: str, new: str, width: int) -> str:
    """The repository once when it stayed, without its path when that is long."""
    (repository, old_tag), (other, new_tag) = _image_parts(old), _image_parts(new)
    if repository != other or not old_tag or not new_tag:
        return _arrow(_short(old, width), _short(new, width))
    if len(repository) > width // 2 and "/" in repository:
        repository = f"…/{repository.rpartition('/')[2]}"
    before, after = _short(old_tag[1:], width), _short(new_tag[1:], width)
    told = f"{_short(repository, width)}{old_tag[0]}{before}"
    return f"{told} → {after}" if before != after else "changed"


def _arrow(old: str, new: str) -> str:
    # Values that differ only where they were cut would read as if nothing had changed.
    return "changed" if old == new else f"{old} → {new}"


def _image_parts(image: str) -> tuple[str, str]:
    """Repository, and tag or digest with the sign before it; a registry's port is no tag."""
    image = _LONG_DIGEST.sub(r"\1", image)
    name = image.rpartition("/")[2]
    bare = re.split("[:@]", name, maxsplit=1)[0]
    at = len(image) - len(name) + len(bare)
    return image[:at], image[at:]


def _can_show(*values: object) -> bool:
    return all(
        isinstance(value, str | int | float) and not TAG.search(str(value)) for value in values
    )


def _short(value: object, width: int) -> str:
    return _cut(_safe(value if isinstance(value, str) else json.dumps(value)), width) or '""'


def _cut(text: str, width: int) -> str:
    if len(text) <= width:
        return text
    head = (width - 1) // 2
    return f"{text[:head]}…{text[len(text) - (width - 1 - head) :]}"


def _safe(text: str) -> str:
    """The text without tags and without anything that could steer a terminal."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in TAG.sub("(hidden)", text)
    )
