"""One spelling for every JSON document, and digests over it.

Bytes are made here once, with sorted keys and no spaces, and then kept verbatim; nobody
re-serialises a record. The only other use of the canonical spelling is identity: two pod templates
are the same when their digests are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder()


def to_bytes(document: object) -> bytes:
    """The one canonical spelling of a JSON document: sorted keys, no spaces, UTF-8."""
    return _encoder.encode(document)


def from_bytes(raw: bytes) -> Any:
    """Decode JSON. Raises `msgspec.DecodeError` for what is not JSON, `RecursionError` for what is
    too deep.
    """
    return _decoder.decode(raw)


def digest(document: object) -> str:
    """SHA-256 in hex of the canonical spelling."""
    return hashlib.sha256(to_bytes(document)).hexdigest()


def normal_template(raw_template: Mapping[str, Any]) -> dict[str, Any]:
    """A pod template without what carries no meaning: `$patch` and a null `creationTimestamp`.

    ControllerRevisions hold `$patch: replace` beside the template (stateful_set_utils.go,
    getPatch), and servers before 1.34 wrote `creationTimestamp: null` (kubernetes#134773): the same
    logical template in other bytes.
    """
    template = {key: value for key, value in raw_template.items() if key != "$patch"}
    metadata = template.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("creationTimestamp", "") is None:
        template["metadata"] = {k: v for k, v in metadata.items() if k != "creationTimestamp"}
    return template
