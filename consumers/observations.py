"""Every record's metadata, and what is already known of its object: the ground the projections
stand on.

Identity is content: within an epoch the first record of a (uid, resourceVersion) is the state,
others with the same data are duplicates, others with different data are recodings. Records that
cannot be read are rejects: their position and reason are kept here, their bytes stay in the log.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from consumers.projection import Observed, Touched
from consumers.sequences import Sequences
from ledger.envelope import Document
from ledger.keep import controller_of
from ledger.model import ObjectRef, Position, Record, epoch_of
from ledger.rollout.raw import server_time
from ledger.store import Ledger

CACHED_OBJECTS = 20_000


@dataclass(slots=True)
class KnownObject:
    """An object's row in `objects`, cached; `changed` until the batch has written it back."""

    id: int
    row: dict[str, Any]
    changed: bool = False


@dataclass(slots=True)
class Observations:
    """Writes observations, objects, instances and rejects; says of each record what is new about
    it.
    """

    ledger: Ledger
    touched: Touched
    _sequences: Sequences = field(init=False)
    _objects: dict[str, KnownObject] = field(default_factory=dict)
    _instances: dict[str, dict[str, Any]] = field(default_factory=dict)
    _rows: list[tuple[Any, ...]] = field(default_factory=list)
    _rejects: list[tuple[Any, ...]] = field(default_factory=list)
    _contents: dict[tuple[int, int, str], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sequences = Sequences(self.ledger)

    def observe(self, record: Record, document: Document) -> Observed:
        """Take in a record that could be parsed: its disposition, and its object's id when it has
        one.
        """
        instance_id, fact = self._instance(document, record.position), document.fact
        if fact not in ("state", "deleted"):
            self._note(record.position, document, None, instance_id, None, "fact")
            return Observed(record.position, document, fact, "fact", instance_id)
        ref = document.ref
        known = self.known(ref, document, record.position)
        content = document.id.split("/")[2]
        disposition = self._disposition(known, document, content)
        self._see(known, document, record.position)
        self._note(record.position, document, known.id, instance_id, content, disposition)
        return Observed(
            record.position, document, fact, disposition, instance_id, known.id, ref.plural
        )

    def reject(self, record: Record, reason: str) -> None:
        """Keep the position, digest and reason of a record that could not be read."""
        digest = hashlib.sha256(record.value).hexdigest()
        self._rejects.append((record.position, digest, len(record.value), reason[:500]))

    def settle(self) -> None:
        """Write what the batch has gathered."""
        self.ledger.insert("observations", self._rows)
        self.ledger.insert("rejects", self._rejects)
        self.ledger.put("instances", self._instances.values())
        self._sequences.settle()
        self.ledger.put("objects", self._changed_rows())
        self._clear_batch()
        if len(self._objects) > CACHED_OBJECTS:
            self._objects.clear()

    def forget(self) -> None:
        """Drop every cache: the transaction was rolled back."""
        self._objects.clear()
        self._instances.clear()
        self._sequences.forget()
        self._clear_batch()

    def known(self, ref: ObjectRef, document: Document, position: Position) -> KnownObject:
        """The object's row, made when this is its first record."""
        if found := self._objects.get(ref.uid):
            return found
        row = self.ledger.row("fold/object", {"uid": ref.uid})
        if row is None:
            fresh = _fresh_object(ref, document, position)
            known = KnownObject(self.ledger.add("objects", fresh), fresh)
            known.row["id"] = known.id
        else:
            known = KnownObject(row["id"], row)
        self._objects[ref.uid] = known
        return known

    def _disposition(self, known: KnownObject, document: Document, content: str) -> str:
        version = document.version_number
        key = (known.id, version, document.fact)
        if version > known.row["resource_version"]:
            self._contents[key] = content
            return "first"
        earlier = self._contents.get(key)
        if earlier is None:
            row = self.ledger.row(
                "fold/same_version", dict(zip(("object_id", "version", "fact"), key, strict=True))
            )
            earlier = row["content"] if row else None
        if earlier is None:
            self._contents[key] = content
            fresh = document.fact == "deleted" and known.row["deleted_version"] is None
            return "first" if fresh else "late"
        return "duplicate" if earlier == content else "recoding"

    def _see(self, known: KnownObject, document: Document, position: Position) -> None:
        row, version = known.row, document.version_number
        row["last_seen_at"] = max(row["last_seen_at"], document.time)
        row["last_position"] = max(row["last_position"], position)
        self._see_epoch(row, document)
        row["resource_version"] = max(row["resource_version"], version)
        if document.fact == "deleted":
            _mark_deleted(row, document)
        else:
            row["alive_version"] = max(row["alive_version"], version)
            self._revive(row, document)
        known.changed = True

    def _see_epoch(self, row: dict[str, Any], document: Document) -> None:
        """What ended before a restore may not have ended after it; and since when the object has
        been there again depends on its late states too.
        """
        epoch = epoch_of(row["resource_version"])
        is_late = epoch > 1 and document.version_number < row["resource_version"]
        if is_late or 0 < epoch < document.epoch:
            self.touched.existence.add(document.objectuid)

    def _revive(self, row: dict[str, Any], document: Document) -> None:
        # A deletion is final within its epoch; a restored cluster may hold the object again.
        deleted = row["deleted_version"]
        if deleted is not None and epoch_of(deleted) < document.epoch:
            row |= dict.fromkeys(_DELETION)
            self.touched.existence.add(document.objectuid)

    def _note(
        self,
        position: Position,
        document: Document,
        object_id: int | None,
        instance_id: int,
        content: str | None,
        disposition: str,
    ) -> None:
        self._rows.append(
            (
                position,
                document.fact,
                object_id,
                document.version_number if object_id else None,
                document.objectgeneration if object_id else None,
                document.time,
                instance_id,
                document.sequence,
                content,
                document.snapshot or None,
                disposition,
            )
        )

    def _instance(self, document: Document, position: Position) -> int:
        row = self._instances.get(document.instance)
        if row is None:
            found = self.ledger.row("fold/instance", {"instance": document.instance})
            row = dict(found) if found else self._fresh_instance(document)
            self._instances[document.instance] = row
        row["last_seen_at"] = max(row["last_seen_at"], document.time)
        self._sequences.take(row, document, position)
        return int(row["id"])

    def _fresh_instance(self, document: Document) -> dict[str, Any]:
        row = {
            "instance": document.instance,
            "first_seen_at": document.time,
            "last_seen_at": document.time,
            "last_sequence": 0,
            "last_sequence_at": "",
        }
        return row | {"id": self.ledger.add("instances", row)}

    def _changed_rows(self) -> list[dict[str, Any]]:
        changed = [known for known in self._objects.values() if known.changed]
        for known in changed:
            known.changed = False
        return [known.row for known in changed]

    def _clear_batch(self) -> None:
        self._rows.clear()
        self._rejects.clear()
        self._contents.clear()


def _fresh_object(ref: ObjectRef, document: Document, position: Position) -> dict[str, Any]:
    metadata = document.data.get("metadata") if isinstance(document.data, dict) else None
    raw_created_at = metadata.get("creationTimestamp") if isinstance(metadata, dict) else None
    return {
        "kind": ref.plural,
        "namespace": ref.namespace,
        "name": ref.name,
        "uid": ref.uid,
        "label": "/".join(part for part in (ref.plural, ref.namespace, ref.name) if part),
        "created_at": server_time(raw_created_at),
        "owner_uid": _owner_uid(document.data),
        "resource_version": -1,
        "alive_version": -1,
        "first_seen_at": document.time,
        "last_seen_at": document.time,
        "last_position": position,
        "alive_at": None,
    } | dict.fromkeys(_DELETION)


def _owner_uid(raw_object: Any) -> str | None:
    try:
        controller = controller_of(raw_object)
        return str(controller["uid"]) if controller else None
    except (KeyError, TypeError, AttributeError):
        return None


_DELETION = ("deleted_version", "deleted_at", "deleted_after", "deleted_how")


def _mark_deleted(row: dict[str, Any], document: Document) -> None:
    # A restored cluster may have held the object again.
    known = max(row["alive_version"], row["deleted_version"] or 0)
    if epoch_of(known) > document.epoch:
        return
    # Of several reports of one deletion the earliest is nearest to it; an observed one replaces an
    # inferred one.
    is_known = (
        row["deleted_how"] == "observed" and epoch_of(row["deleted_version"]) >= document.epoch
    )
    if is_known and row["deleted_at"] <= document.time:
        return
    row["deleted_version"] = document.version_number
    row["deleted_at"] = document.time
    row["deleted_after"] = None
    row["deleted_how"] = "observed"
