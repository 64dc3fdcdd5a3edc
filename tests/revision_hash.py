"""How the controller names a revision: by a hash of its data, computed here from the outside.

history.HashControllerRevision (controller_history.go) and rand.SafeEncodeString (apimachinery).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def name_hash(data: Mapping[str, Any], collisions: int) -> str:
    """The end of the name of a revision with this data, for a set with so many collisions."""
    text = json.dumps(data, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    hashed = 0x811C9DC5
    for byte in (text + str(collisions)).encode():
        hashed = (hashed * 0x01000193) & 0xFFFFFFFF ^ byte
    return "".join(LETTERS[ord(digit) % len(LETTERS)] for digit in str(hashed))
