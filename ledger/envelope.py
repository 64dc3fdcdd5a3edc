"""One observed fact, sealed: a CloudEvents 1.0 JSON document whose bytes are made once and never
again.

`seal` is the only place that writes a document and `parse` the only place that reads one. What the
facts mean is left to observe.py (writing) and to the consumers (reading).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from ledger.canonical import from_bytes, to_bytes
from ledger.errors import LogUnusable, PoisonRecord
from ledger.model import (
    EPOCH_LIMIT,
    EPOCH_SPAN,
    KIND_BY_PLURAL,
    ObjectRef,
    parse_timestamp,
    version_number,
)

MEDIA_TYPE = "application/cloudevents+json"
LIMIT_BYTES = 8 * 1024 * 1024
"""The largest record; a larger object is recorded by digest and size only."""

DEPTH_LIMIT = 100
"""Kubernetes objects nest about 20 deep; what nests deeper than this is not one."""

TYPES = ("state", "deleted", "gap", "coverage", "audit", "sealed", "note")
_TYPE = re.compile(r"rollout-ledger\.([a-z]+)\.v([0-9]+)")
_NAME = re.compile(r"[A-Za-z0-9._:*-]*")
_NOT_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


@dataclass(frozen=True, slots=True)
class Envelope:
    """A sealed document on its way to the log: its id and its bytes."""

    id: str
    value: bytes
    original: Envelope | None = None
    """The sealed original of its pod template, which must be in the log before it: once a state is
    there, nobody looks at it again.
    """

    @property
    def in_order(self) -> tuple[Envelope, ...]:
        """All that goes to the log with it, as it goes there."""
        return (self.original, self) if self.original else (self,)


class Document(msgspec.Struct, frozen=True, gc=False):
    """A record's document, read back. Attribute names are CloudEvents'; extension attributes are
    ours.
    """

    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    epoch: int
    instance: str
    sequence: int
    objectuid: str = ""
    resourceversion: str = ""
    objectgeneration: int = 0
    snapshot: str = ""
    redactionkey: str = ""
    withheld: str = ""
    withhelddigest: str = ""
    withheldbytes: int = 0
    stamped: bool = False
    annotationkeys: str = ""
    data: Any = None

    @property
    def fact(self) -> str:
        """`state`, `deleted`, `gap`, `coverage`, `audit`, `sealed` or `note`."""
        return self.type.split(".")[1]

    @property
    def version_number(self) -> int:
        """The state's place among those of its kind (`ledger.model.version_number`)."""
        return version_number(self.resourceversion, epoch=self.epoch)

    def version(self, told: Any) -> int | None:
        """A resourceVersion told in the data, as `version_number`; None where none is told.

        Raises ValueError or TypeError for what is not a number.
        """
        if told in (None, ""):
            return None
        if not 0 <= int(told) < EPOCH_SPAN:
            raise ValueError("a resourceVersion out of range")
        return version_number(told, epoch=self.epoch)

    @property
    def ref(self) -> ObjectRef:
        """The object that a state or deletion is about."""
        _, plural, *path = self.subject.split("/")
        namespace, name = path if len(path) == 2 else ("", path[0])
        return ObjectRef(plural, namespace, name, self.objectuid)


def seal(attributes: dict[str, Any], data: bytes | None) -> Envelope:
    """The document's bytes: sorted keys, `data` spliced in verbatim. Attributes that are empty are
    left out.
    """
    document = {key: value for key, value in attributes.items() if value not in ("", None)}
    document["specversion"] = "1.0"
    if data is not None:
        document["data"] = msgspec.Raw(data)
        document["datacontenttype"] = "application/json"
    return Envelope(attributes["id"], to_bytes(document))


def short_digest(data: bytes) -> str:
    """The first 16 hex characters of SHA-256: the part of a record's id that names its content."""
    return hashlib.sha256(data).hexdigest()[:16]


def parse(value: bytes) -> Document:
    """Read a document back.

    Raises PoisonRecord, with the reason, for anything that is not one of ours: not JSON, duplicate
    keys, nested too deep, attributes missing or of another type. Raises LogUnusable for a document
    of ours in a format that this release does not know, because guessing would be worse than
    stopping.
    """
    if len(value) > LIMIT_BYTES:
        raise PoisonRecord(f"larger than {LIMIT_BYTES} bytes")
    raw = _decode(value)
    _refuse_unknown_format(raw.get("type"))
    try:
        document = msgspec.convert(raw, Document)
    except (msgspec.ValidationError, RecursionError) as wrong:
        raise PoisonRecord(f"not a rollout-ledger document: {wrong}") from None
    _check(document)
    return document


def _decode(value: bytes) -> dict[str, Any]:
    try:
        raw = from_bytes(value)
        if not isinstance(raw, dict):
            raise PoisonRecord("not a JSON object")
        if _too_deep(value, raw):
            raise PoisonRecord(f"nested deeper than {DEPTH_LIMIT}")
        if to_bytes(raw) != value:
            _refuse_duplicate_keys(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as wrong:
        raise PoisonRecord(f"not JSON: {wrong}") from None
    return raw


def _too_deep(value: bytes, raw: object) -> bool:
    """Whether the document nests too deep: a quick look at its brackets, then, in doubt, a walk.

    Brackets inside strings can mislead the quick look, at worst into letting a deep document
    through; whoever walks one recursively asks `nests_deeper`.
    """
    shape = value.translate(None, _NOT_BRACKETS)
    for _ in range(DEPTH_LIMIT):
        inner = shape.replace(b"{}", b"").replace(b"[]", b"")
        if not inner:
            return False
        if len(inner) == len(shape):
            break
        shape = inner
    return nests_deeper(raw, DEPTH_LIMIT)


def nests_deeper(raw: object, limit: int) -> bool:
    """True when a decoded document has more than `limit` containers inside each other."""
    level: list[Any] = [raw]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return False
    return True


def _refuse_duplicate_keys(value: bytes) -> None:
    # Two parsers may read a document with duplicate keys differently, so none may be trusted with
    # it. Our own bytes are canonical and never come here.
    import json

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in items}) != len(items):
            raise PoisonRecord("duplicate keys")
        return dict(items)

    json.loads(value, object_pairs_hook=pairs)


def _refuse_unknown_format(raw_type: object) -> None:
    found = _TYPE.fullmatch(raw_type) if isinstance(raw_type, str) else None
    if not found:
        raise PoisonRecord("its type is not one of rollout-ledger's")
    if found[1] not in TYPES or found[2] != "1":
        raise LogUnusable(
            f"the log holds a record of type {raw_type}, which this release does not know",
            hint="upgrade rollout-ledger on the reading side first",
        )


def _check(document: Document) -> None:
    try:
        parse_timestamp(document.time)
    except ValueError:
        raise PoisonRecord("its time is not RFC 3339") from None
    if not document.source.startswith("/clusters/"):
        raise PoisonRecord("its source is not a cluster")
    if not -(2**63) <= document.sequence < 2**63:
        raise PoisonRecord("its sequence is out of range")
    if not 1 <= document.epoch < EPOCH_LIMIT:
        raise PoisonRecord("its epoch is out of range")
    if document.fact in ("state", "deleted"):
        _check_object(document)


def _check_object(document: Document) -> None:
    parts = document.subject.split("/")
    kind = KIND_BY_PLURAL.get(parts[1]) if len(parts) > 1 else None
    if kind is None or len(parts) != (4 if kind.namespaced else 3):
        raise PoisonRecord("its subject is not an object")
    if not all(_NAME.fullmatch(part) for part in parts) or not document.objectuid:
        raise PoisonRecord("its subject or uid is not an object's")
    if not document.id.startswith(f"{document.objectuid}/{document.resourceversion}/"):
        raise PoisonRecord("its id is not made of its uid and resourceversion")
    if not (document.resourceversion.isascii() and document.resourceversion.isdigit()):
        raise PoisonRecord("its resourceversion is not a number")
    numbers = (document.objectgeneration, document.withheldbytes)
    is_long = len(document.resourceversion) >= len(str(EPOCH_SPAN))
    if is_long or not all(0 <= number < 2**62 for number in numbers):
        raise PoisonRecord("its resourceversion or generation is out of range")
    if document.data is None and not document.withheld:
        raise PoisonRecord("it has no data")
    if document.data is not None:
        _check_data(document)


def _check_data(document: Document) -> None:
    if not isinstance(document.data, dict):
        raise PoisonRecord("its data is not an object")
    metadata = document.data.get("metadata")
    uid = metadata.get("uid", document.objectuid) if isinstance(metadata, dict) else ""
    if uid != document.objectuid:
        raise PoisonRecord("its data is another object's, or none's")
