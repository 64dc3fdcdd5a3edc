"""Whether a document is what a redacted one was made of, told without the key of its tags.

Whatever was not hidden must be equal, and what was hidden must be there; what it was, only the key
could tell. A text that redaction has spelled anew, JSON inside of a string, is compared as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.inner_json import parsed
from ledger.secret_names import TAG


def hides(node: Any) -> bool:
    """True when a tag stands anywhere in a redacted document."""
    match node:
        case str():
            return TAG.search(node) is not None
        case Mapping():
            return any(hides(key) or hides(value) for key, value in node.items())
        case Sequence():
            return any(hides(item) for item in node)
    return False


def is_original_of(redacted: Any, original: Any) -> bool:
    """True when redaction can have made `redacted` of `original`. Never raises for JSON."""
    try:
        return _is_original_of(redacted, original)
    except RecursionError:
        return False


def _is_original_of(redacted: Any, original: Any) -> bool:
    match redacted, original:
        case str(), str():
            return _is_text_of(redacted, original)
        case str(), int() | float() if not isinstance(original, bool):
            return TAG.fullmatch(redacted) is not None
        case Mapping(), Mapping():
            return _is_map_of(redacted, original)
        case list(), list():
            return len(redacted) == len(original) and all(map(_is_original_of, redacted, original))
    return type(redacted) is type(original) and bool(redacted == original)


def _is_map_of(redacted: Mapping[str, Any], original: Mapping[str, Any]) -> bool:
    if len(redacted) != len(original):
        return False
    rest = {key: value for key, value in original.items() if key not in redacted}
    for key, value in redacted.items():
        if key in original:
            if not _is_original_of(value, original[key]):
                return False
            continue
        # A name in which something is hidden: which of those left it was, its text tells.
        found = [
            other
            for other in rest
            if hides(key) and _is_original_of(key, other) and _is_original_of(value, rest[other])
        ]
        if not found:
            return False
        del rest[found[0]]
    return True


def _is_text_of(redacted: str, original: str) -> bool:
    if not hides(redacted):
        return redacted == original
    if _fits(TAG.split(redacted), original):
        return True
    inner = parsed(redacted) if redacted.lstrip()[:1] in ("{", "[", '"') else None
    return inner is not None and _is_original_of(inner, parsed(original))


def _fits(parts: list[str], original: str) -> bool:
    """True when the parts stand in the text in this order, first and last at its ends, each two
    with at least one character between them.
    """
    first, *middle, last = parts
    if not original.startswith(first):
        return False
    place = len(first)
    for part in middle:
        found = original.find(part, place + 1)
        if found < 0:
            return False
        place = found + len(part)
    return original.endswith(last) and len(original) - len(last) > place
