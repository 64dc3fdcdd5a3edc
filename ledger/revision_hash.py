"""How Kubernetes names a revision: by a hash of its data; worked out here from a template.

Mirrors HashControllerRevision and ControllerRevisionName (controller_history.go) and
SafeEncodeString (apimachinery, rand.go). The hash has 32 bits: that it agrees is a check against
mistakes and no proof against somebody who looks for another template with the same one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

NameHash = Literal["matches", "differs", "unchecked"]

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
PREFIX_BYTES = 223
"""A longer name of a set is cut (ControllerRevisionName)."""

COLLISIONS_LIMIT = 1_000
"""So many collision counts are tried at most; a real set has none."""

_FIRST = 0x811C9DC5
_PRIME = 0x01000193
_ESCAPED = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def name_of(set_name: str, data: Mapping[str, Any], collision_count: int) -> str:
    """The name that the controller gives a revision of a set with this `data`."""
    return _name(set_name, _hashed(_spelled(data)), collision_count)


def name_hash(name: str, template: Mapping[str, Any], collision_count: int = 0) -> NameHash:
    """Whether the hash at the end of a revision's name is that of this template, in whichever way
    servers spell it; `unchecked` without a name.

    What comes before the hash is not looked at: an adopted revision is named after the set that it
    was made for. `collision_count` is the set's `status.collisionCount`: the revision may be from
    before each collision.
    """
    if not name:
        return "unchecked"
    set_name = name.rpartition("-")[0]
    counts = range(min(collision_count, COLLISIONS_LIMIT) + 1)
    for data in _data_of(template):
        hashed = _hashed(_spelled(data))
        if any(name == _name(set_name, hashed, count) for count in counts):
            return "matches"
    return "differs"


def _data_of(template: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The `data` of a revision of the template (stateful_set_utils.go, getPatch), as servers from
    1.34 on write it, and as those before it did (kubernetes#134773).
    """
    patched = {"$patch": "replace"} | dict(template)
    yield {"spec": {"template": patched}}
    metadata = {"creationTimestamp": None} | dict(template.get("metadata") or {})
    yield {"spec": {"template": patched | {"metadata": metadata}}}


def _spelled(data: Mapping[str, Any]) -> bytes:
    """Compact JSON with sorted keys, escaped as Go's encoding/json does."""
    text = json.dumps(data, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.translate(_ESCAPED).encode()


def _name(set_name: str, hashed: int, collision_count: int) -> str:
    digits = str(_hashed(str(collision_count).encode(), hashed))
    prefix = set_name.encode()[:PREFIX_BYTES].decode(errors="ignore")
    return f"{prefix}-{''.join(LETTERS[ord(digit) % len(LETTERS)] for digit in digits)}"


def _hashed(content: bytes, before: int = _FIRST) -> int:
    """FNV-1, 32 bits, of what comes after what was hashed `before`."""
    for byte in content:
        before = (before * _PRIME) & 0xFFFFFFFF ^ byte
    return before
