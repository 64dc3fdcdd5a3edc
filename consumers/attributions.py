"""Whose request made which change: the projection of audit records onto writes and deletions.

A batch names the writes and endings that its records can bear upon, whichever side came first, and
each of them is judged anew from all there is (ledger/attribution.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from consumers.projection import Observed, Touched
from consumers.templates import Templates
from consumers.triggers import undo_intent
from ledger.attribution import authors_of_ending, authors_of_write, is_follower
from ledger.canonical import from_bytes
from ledger.diff import Change, Field
from ledger.evidence import RANKS, Action, Ending, Evidence, Write
from ledger.model import EPOCH_SPAN, EVENTS, KINDS, STATEFUL_SETS, parse_timestamp, timestamp
from ledger.spec_fields import CLAIMS as CLAIM_TEMPLATES
from ledger.spec_fields import changes as spec_changes
from ledger.store import Ledger, Row

WRITE, DELETION = "write", "deletion"
ENDING = tuple(kind.plural for kind in KINDS if kind != EVENTS)
NEAR_SECONDS = 2.0
"""How far a request may be from what it is compared with: more than clocks may be apart."""

LONGEST_SECONDS = 60.0
"""The API server ends a request after this time."""

UNDO_ROLES = ("reason", "ticket")
"""What an undo may be told, and says of itself."""

TEMPLATE = (Field("spec"), Field("template"))


@dataclass(slots=True)
class Attributions:
    """Writes `terminations`, `attributions` and `statements`."""

    ledger: Ledger
    touched: Touched
    _templates: Templates = field(init=False)
    _endings: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._templates = Templates(self.ledger)

    def apply(self, observed: Observed) -> None:
        """Note when an object began to end."""
        document = observed.document
        if observed.plural not in ENDING or document.data is None:
            return
        if observed.disposition == "recoding":
            return
        if observed.fact == "deleted":
            self._endings.add(observed.object_id)
        metadata = document.data.get("metadata")
        if isinstance(metadata, dict) and metadata.get("deletionTimestamp"):
            self._terminating(observed)

    def settle(self) -> None:
        """Judge what the batch's records bear upon."""
        for uid in self.touched.existence:
            row = self.ledger.row("fold/object", {"uid": uid})
            if row is not None and row["kind"] in ENDING:
                self._endings.add(row["id"])
        for action in self.touched.actions:
            self._reach(action)
        for object_id, generation in self.touched.writes:
            self._judge_write(object_id, generation)
        for object_id in self._endings:
            self._judge_ending(object_id)
        self._endings.clear()

    def forget(self) -> None:
        """Drop what is cached: the transaction was rolled back."""
        self._templates.forget()
        self._endings.clear()

    def _terminating(self, observed: Observed) -> None:
        row = {
            "object_id": observed.object_id,
            "resource_version": observed.document.version_number,
            "position": observed.position,
            "observed_at": observed.document.time,
            "span": EPOCH_SPAN,
        }
        if self.ledger.run("fold/terminating", row):
            self._endings.add(observed.object_id)

    def _reach(self, action: Mapping[str, Any]) -> None:
        """What a request may have made, or may prove that another has not."""
        near = {name: action[name] for name in ("uid", "kind", "namespace", "name")} | {
            "version": action["resource_version"],
            "generation": action["generation"],
            "since": _moved(action["received_at"], -NEAR_SECONDS),
            "until": _moved(action["completed_at"], NEAR_SECONDS),
        }
        if action["verb"] in ("delete", "deletecollection") or action["subresource"] == "eviction":
            key = near | {"position": action["position"]}
            self._endings |= {row["id"] for row in self.ledger.rows("fold/endings_near", key)}
        elif action["kind"] == STATEFUL_SETS.plural:
            rows = self.ledger.rows("fold/writes_near", near)
            reached = {(row["object_id"], row["generation"]) for row in rows}
            self.touched.writes |= {each for each in reached if each[1] is not None}

    def _judge_write(self, object_id: int, generation: int) -> None:
        key = {"object_id": object_id, "generation": generation}
        after = self.ledger.row("fold/write", key)
        if after is None:
            return
        before = self.ledger.row("fold/write_before", {**key, "version": after["resource_version"]})
        write = self._write(after, before)
        asked = {
            "uid": after["uid"],
            "namespace": after["namespace"],
            "name": after["name"],
            "before_version": before["resource_version"] if before else -1,
            "since": _moved(after["observed_at"], -LONGEST_SECONDS),
            "until": _moved(after["observed_at"], NEAR_SECONDS),
        }
        evidence: list[Evidence] = []
        # What an object had when it was found may have any number of writers.
        if write.generation == 1 or write.changes:
            actions = self.ledger.rows("fold/actions_of_write", asked)
            evidence = authors_of_write(write, map(_action, actions))
        self._put(object_id, WRITE, generation, evidence)
        self._state(key, before, after)

    def _judge_ending(self, object_id: int) -> None:
        row = self.ledger.row("fold/ending", {"object_id": object_id, "span": EPOCH_SPAN})
        evidence: list[Evidence] = []
        if row is not None and row["ended_at"] is not None:
            ending = Ending(row["uid"], row["version"], row["created_at"] or "", row["ended_at"])
            asked = {name: row[name] for name in ("uid", "kind", "namespace", "name")} | {
                "since": _moved(row["ended_at"], -LONGEST_SECONDS),
                "until": _moved(row["ended_at"], NEAR_SECONDS),
                "restored_at": row["restored_at"] or "",
            }
            actions = self.ledger.rows("fold/actions_of_ending", asked)
            evidence = authors_of_ending(ending, map(_action, actions))
        self._put(object_id, DELETION, 0, evidence)

    def _state(self, key: dict[str, int], before: Row | None, after: Row) -> None:
        """What annotations said that came with the write, or after it and before the next one: what
        was there before is of an earlier change.
        """
        self.ledger.run("fold/clear_statements", key)
        if before is None and key["generation"] > 1:
            return
        known: dict[str, str] = json.loads(before["said"]) if before else {}
        for row in self.ledger.rows("fold/said_in_generation", key):
            said: dict[str, str] = json.loads(row["said"])
            new = {role: text for role, text in said.items() if known.get(role) != text}
            self._put_said(key, new, "annotation", row["position"])
            known |= said
        intent = undo_intent(
            after["undo_annotation"],
            earlier=before["undo_annotation"] if before else None,
            generation=key["generation"],
        )
        told = {role: text for role in UNDO_ROLES if isinstance(text := intent.get(role), str)}
        self._put_said(key, told, "undo annotation", after["position"])

    def _put_said(
        self, key: dict[str, int], said: Mapping[str, str], source: str, position: int
    ) -> None:
        rows = [
            key | {"role": role, "said": text, "source": source, "position": position}
            for role, text in said.items()
            if text
        ]
        self.ledger.put("statements", rows)

    def _put(
        self, object_id: int, what: str, generation: int, evidence: Sequence[Evidence]
    ) -> None:
        key = {"object_id": object_id, "what": what, "generation": generation}
        self.ledger.run("fold/clear_attributions", key)
        ranked = sorted(evidence, key=lambda each: RANKS[each.basis])
        rows = [
            key
            | {
                "position": each.position,
                "source": each.source,
                "actor": each.actor,
                "impersonated": each.impersonated,
                "basis": each.basis,
                "rank": RANKS[each.basis],
                "best": int(index == 0),
                "by_controller": int(each.source == "audit" and is_follower(each.actor)),
            }
            for index, each in enumerate(ranked)
        ]
        self.ledger.put("attributions", rows)

    def _write(self, after: Row, before: Row | None) -> Write:
        return Write(
            uid=after["uid"],
            version=after["resource_version"],
            generation=after["generation"],
            observed_at=after["observed_at"],
            position=after["position"],
            managers=json.loads(after["managed_fields"]),
            replicas=after["replicas"],
            stamp=after["stamp"],
            before_generation=before["generation"] if before else None,
            before_stamp=before["stamp"] if before else None,
            managers_before=json.loads(before["managed_fields"]) if before else (),
            changes=self._changes(before, after) if before else (),
        )

    def _changes(self, before: Row, after: Row) -> tuple[Change, ...]:
        """What differs between two states' specs, from the object's root."""
        if before["template_id"] == after["template_id"]:
            told: list[Change] = []
        else:
            told = [
                Change((*TEMPLATE, *c.segments), c.kind, c.old, c.new, c.comparable)
                for c in self._templates.changes(before["template_id"], after["template_id"])
            ]
        if before["spec"] is None or after["spec"] is None or before["spec"] == after["spec"]:
            return tuple(told)
        old, new = (from_bytes(row["spec"].encode()) for row in (before, after))
        for each in spec_changes(old, new):
            if not each.field.startswith(CLAIM_TEMPLATES):
                names = (Field("spec"), *map(Field, each.field.split(".")))
                told.append(Change(names, each.kind, each.old, each.new))
        return tuple(told)


def _action(row: Row) -> Action:
    return Action(
        position=row["position"],
        level=row["level"],
        user=row["user"],
        impersonated=row["impersonated"],
        manager=row["manager"],
        verb=row["verb"],
        subresource=row["subresource"],
        uid=row["uid"],
        version=row["resource_version"],
        generation=row["generation"],
        code=row["code"],
        received_at=row["received_at"],
        completed_at=row["completed_at"],
        replicas=row["replicas"],
        apply=bool(row["apply"]),
        touched=tuple(json.loads(row["touched"])),
        removed=tuple(json.loads(row["removed"])),
        required_version=row["required_version"],
    )


def _moved(at: str, seconds: float) -> str:
    return timestamp(parse_timestamp(at) + timedelta(seconds=seconds))
