"""JSON that stands inside a string of another document, and its way back into one.

The outer document's own reading and writing is canonical.py's matter.
"""

from __future__ import annotations

import json
from typing import Any


def parsed(text: str) -> Any:
    """The JSON that a text is, or None where it is none; None too where a name occurs twice in one
    object, for the first of the two would go unseen. Raises RecursionError where it is too deep.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except ValueError:
        return None


def spelled(document: Any) -> str:
    """A JSON document as text that UTF-8 can hold: readable, but escaped where it holds what does
    not print, such as half of a surrogate pair.
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return text if text.isprintable() else json.dumps(document, separators=(",", ":"))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a name occurs twice")
    return result
