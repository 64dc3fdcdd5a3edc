"""What one watcher process saw, as envelopes: filtered, redacted, numbered and sealed.

Pure: time and raw bytes come in, envelopes go out. watch.py feeds it from a live API, replay.py
from a recording, so both take the same line. The sequence counts every envelope of the process; a
hole in it is lost data.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol
from uuid import uuid4

from ledger import __version__
from ledger.audit.event import action_of, record_id
from ledger.canonical import from_bytes, to_bytes
from ledger.envelope import LIMIT_BYTES, Envelope, seal, short_digest
from ledger.errors import RedactionFailed
from ledger.keep import FILTER_VERSION, is_kept
from ledger.model import KIND_BY_PLURAL, STATEFUL_SETS, Kind, ObjectRef, timestamp
from ledger.redaction import Redacted, Redactor
from ledger.sealed import Originals

HEADROOM_BYTES = 4096
"""Room for the attributes beside `data` within the record limit."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One list and its watches: a kind in one namespace, or in all ("*")."""

    kind: Kind
    scope: str

    @property
    def namespace(self) -> str | None:
        """The namespace to ask for, None for all."""
        return None if self.scope == "*" else self.scope

    @property
    def key(self) -> str:
        """`pods/*`, `statefulsets/shop`: names the stream in coverage and gap records."""
        return f"{self.kind.plural}/{self.scope}"


REDACTION_FAILED = "redaction-failed"


class Alarm(Protocol):
    """Whoever wants to know that an object's content was withheld."""

    def __call__(self, ref: ObjectRef, reason: str, *, size_bytes: int) -> None:
        """Say so; nothing of the content is given."""


@dataclass(slots=True)
class Observer:
    """Seals what one watcher process (`instance`) of one cluster sees; `sequence` is the last
    number given out.
    """

    cluster: str
    instance: str
    redactor: Redactor
    epoch: int = 1
    sequence: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    written: Counter[str] = field(default_factory=Counter)
    withheld: int = 0
    """Payloads withheld because they could not be examined for secrets."""

    trusts_stamp: bool = False
    """Whether an admission policy of the cluster is known to stamp each write with its user."""

    namespaces: tuple[str, ...] = ()
    """Of these alone audit events are kept; none means all."""

    annotation_keys: Mapping[str, str] = field(default_factory=dict)
    """Which annotations hold a ticket, approver, commit or pipeline, by role."""

    originals: Originals | None = None
    """Who seals pod templates before secrets leave them, if anybody does."""

    alarm: Alarm | None = None
    """Told of every payload that is withheld, whatever the reason."""

    def state(
        self, raw_object: bytes, *, kind: Kind, at: datetime, snapshot: str = ""
    ) -> Envelope | None:
        """The state of an object as listed (`snapshot` given) or watched; None when it is not a
        kind we keep.

        Raises msgspec.DecodeError, ValueError or KeyError for bytes that are not an object of this
        kind.
        """
        return self._object("state", raw_object, kind, at, snapshot)

    def deleted(self, raw_object: bytes, *, kind: Kind, at: datetime) -> Envelope | None:
        """The last state of a deleted object; None when it is not a kind we keep. Raises as `state`
        does.
        """
        return self._object("deleted", raw_object, kind, at, "")

    def gap(self, stream: Stream | None, *, at: datetime, cause: str, **details: Any) -> Envelope:
        """A stretch that was not seen: opened, or closed when `details` carry `gap` (its id) and
        `state`.
        """
        data = {"cause": cause, "state": "open", **_scope(stream), **details}
        return self._fact("gap", f"gap/{stream.key if stream else '*'}", at, data)

    def coverage(
        self, mark: str, stream: Stream | None, *, at: datetime, **details: Any
    ) -> Envelope:
        """`stream-start`, `heartbeat`, `snapshot-begin`, `snapshot-part`, `snapshot-end` or
        `stream-stop`, with its details.
        """
        data = {
            "mark": mark,
            "filter": FILTER_VERSION,
            "redaction": {
                "policy": self.redactor.policy,
                "key": self.redactor.key_id,
                "rules": self.redactor.rules,
            },
            **({"sealing": self.originals.standing} if self.originals else {}),
            "tool": __version__,
            **_scope(stream),
            **details,
        }
        return self._fact("coverage", f"coverage/{stream.key if stream else '*'}", at, data)

    def heartbeat(
        self,
        streams: Sequence[Mapping[str, Any]],
        *,
        at: datetime,
        skew_seconds: float | None,
        audit: Sequence[Mapping[str, Any]] = (),
    ) -> Envelope:
        """How every stream and audit source stands, how much was none of ours or withheld, and how
        far the API server's clock is ahead of ours.
        """
        return self.coverage(
            "heartbeat",
            None,
            at=at,
            streams=streams,
            dropped=dict(self.dropped),
            withheld=self.withheld,
            skew_seconds=skew_seconds,
            **({"audit": audit} if audit else {}),
        )

    def audited(self, raw_event: bytes, *, at: datetime, imported: str = "") -> Envelope | None:
        """What an API audit event says of a write to a kind we keep, without a value of its bodies;
        None for any other. `imported` names where it was read from, when that was no live source.

        Raises msgspec.DecodeError, RecursionError or ValueError for what is not an audit event,
        RedactionFailed where it could not be examined for secrets.
        """
        event = from_bytes(raw_event)
        action = action_of(event)
        if action is None or not self._is_in_scope(action):
            self.dropped["audit"] += 1
            return None
        redacted = self.redactor.redact(action | ({"imported": imported} if imported else {}))
        told, data = redacted.document, to_bytes(redacted.document)
        if len(data) > LIMIT_BYTES - HEADROOM_BYTES:
            raise ValueError("too large for a record")
        path = (KIND_BY_PLURAL[action["kind"]].subject_prefix, told.get("namespace"))
        attributes = self._attributes(
            "audit", "/".join(filter(None, (*path, told.get("name")))), at
        )
        key = self.redactor.key_id if redacted.touched else ""
        attributes |= {"id": record_id(event, self.redactor.key), "redactionkey": key}
        return seal(attributes, data)

    def noted(self, ref: ObjectRef, note: Mapping[str, Any], *, at: datetime) -> Envelope:
        """What somebody says of an object, later. Raises RedactionFailed where it could not be
        examined for secrets.
        """
        data = self.redactor.redact(dict(note))
        key = self.redactor.key_id if data.touched else ""
        attributes = self._attributes("note", ref.subject, at) | {
            "id": str(uuid4()),
            "objectuid": ref.uid,
            "redactionkey": key,
        }
        return seal(attributes, to_bytes(data.document))

    def next_snapshot(self) -> str:
        """An id for a snapshot, unique to this process."""
        return f"{self.instance}/{self.sequence + 1}"

    def _object(
        self, fact: str, raw_object: bytes, kind: Kind, at: datetime, snapshot: str
    ) -> Envelope | None:
        document = _object_of(kind, from_bytes(raw_object))
        if document is None:
            self.dropped[kind.plural] += 1
            return None
        metadata = document["metadata"]
        ref = ObjectRef(
            kind.plural, metadata.get("namespace", ""), metadata["name"], metadata["uid"]
        )
        # Whatever can fail comes before a number is taken: a hole in them is lost data.
        redacted = self._redacted(document)
        data, marks = self._payload(redacted, raw_object)
        if data is None:
            self._withhold(ref, marks)
        original = self._original(ref, document, redacted, at)
        attributes = self._attributes(fact, ref.subject, at) | {
            "objectuid": ref.uid,
            "resourceversion": metadata["resourceVersion"],
            "objectgeneration": metadata.get("generation", 0),
            "snapshot": snapshot,
            **self._marks(kind),
        }
        return replace(self._sealed(attributes, data, marks), original=original)

    def _original(
        self, ref: ObjectRef, raw: Mapping[str, Any], redacted: Redacted | None, at: datetime
    ) -> Envelope | None:
        if self.originals is None or redacted is None or not redacted.touched:
            return None
        sealed = self.originals.original(raw, redacted.document, ref)
        if sealed is None:
            return None
        attributes = self._attributes("sealed", f"sealed/{sealed.template}", at)
        return seal(attributes | {"id": sealed.id}, to_bytes(sealed))

    def _is_in_scope(self, action: Mapping[str, Any]) -> bool:
        namespace = action.get("namespace", "")
        return not (self.namespaces and namespace) or namespace in self.namespaces

    def _marks(self, kind: Kind) -> dict[str, Any]:
        """How a StatefulSet's annotations are to be read."""
        if kind != STATEFUL_SETS:
            return {}
        keys = " ".join(f"{role}={key}" for role, key in sorted(self.annotation_keys.items()))
        return {"stamped": self.trusts_stamp or None, "annotationkeys": keys}

    def _withhold(self, ref: ObjectRef, marks: Mapping[str, Any]) -> None:
        reason = str(marks["withheld"])
        self.withheld += reason == REDACTION_FAILED
        if self.alarm:
            self.alarm(ref, reason, size_bytes=int(marks["withheldbytes"]))

    def _sealed(
        self, attributes: dict[str, Any], data: bytes | None, marks: dict[str, Any]
    ) -> Envelope:
        suffix = "/deleted" if attributes["type"] == "rollout-ledger.deleted.v1" else ""
        content = short_digest(data) if data else marks["withhelddigest"][:16]
        version = f"{attributes['objectuid']}/{attributes['resourceversion']}"
        attributes |= marks | {"id": f"{version}/{content}{suffix}"}
        return seal(attributes, data)

    def _redacted(self, document: dict[str, Any]) -> Redacted | None:
        try:
            return self.redactor.redact(document)
        except RedactionFailed:
            return None

    def _payload(
        self, redacted: Redacted | None, raw_object: bytes
    ) -> tuple[bytes | None, dict[str, Any]]:
        if redacted is None:
            # A digest of what may be a bare secret could be guessed at, so it is keyed.
            tag = hmac.new(self.redactor.key, raw_object, hashlib.sha256).hexdigest()
            return None, _withheld(REDACTION_FAILED, tag, raw_object)
        data = to_bytes(redacted.document)
        if len(data) > LIMIT_BYTES - HEADROOM_BYTES:
            return None, _withheld("too-large", hashlib.sha256(data).hexdigest(), data)
        return data, {"redactionkey": self.redactor.key_id if redacted.touched else ""}

    def _fact(self, fact: str, subject: str, at: datetime, data: Mapping[str, Any]) -> Envelope:
        attributes = self._attributes(fact, subject, at)
        attributes["id"] = f"{self.instance}/{self.sequence}"
        return seal(attributes, to_bytes(data))

    def _attributes(self, fact: str, subject: str, at: datetime) -> dict[str, Any]:
        self.sequence += 1
        self.written[fact] += 1
        return {
            "type": f"rollout-ledger.{fact}.v1",
            "source": f"/clusters/{self.cluster}",
            "subject": subject,
            "time": timestamp(at),
            "epoch": self.epoch,
            "instance": self.instance,
            "sequence": self.sequence,
        }


def _object_of(kind: Kind, raw: Any) -> dict[str, Any] | None:
    """The object with the kind and apiVersion that list items lack; None when it is not kept.

    Raises ValueError for what is not an object of this kind: the fold would reject its record.
    """
    try:
        metadata = raw["metadata"]
        version, uid, name = metadata["resourceVersion"], metadata["uid"], metadata["name"]
        if not (uid and name and version.isascii() and version.isdigit()):
            raise ValueError("an object without a name, a uid or a resourceVersion")
        if not isinstance(metadata.get("generation", 0), int):
            raise ValueError("an object whose generation is not a number")
        if not is_kept(kind, raw):
            return None
        raw["apiVersion"], raw["kind"] = kind.api_version, kind.name
    except (TypeError, AttributeError):
        raise ValueError("not an object of this kind") from None
    return dict(raw)


def local_gap(cluster: str, *, at: datetime, cause: str, details: Mapping[str, Any]) -> Envelope:
    """A gap that a consumer found in the log itself: known to this ledger only, so the roots of
    two consumers differ from here on."""
    instance = f"consumer-{secrets.token_hex(4)}"
    attributes = {
        "id": f"{instance}/1",
        "type": "rollout-ledger.gap.v1",
        "source": f"/clusters/{cluster}",
        "subject": "gap/*",
        "time": timestamp(at),
        "epoch": 1,
        "instance": instance,
        "sequence": 1,
    }
    return seal(attributes, to_bytes({"cause": cause, "state": "open", **details}))


def _scope(stream: Stream | None) -> dict[str, str]:
    return {"kind": stream.kind.plural, "scope": stream.scope} if stream else {}


def _withheld(reason: str, digest: str, raw: bytes) -> dict[str, Any]:
    return {"withheld": reason, "withhelddigest": digest, "withheldbytes": len(raw)}
