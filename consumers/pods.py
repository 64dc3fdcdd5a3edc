"""Pods of StatefulSets: which revision each ran, how far it came, and the bytes that really ran.

`pod_states` keeps the turns that a rollout's course depends on; a row of `pod_runs` is one pod from
its creation to its end, `pod_images` what its containers ran. A pod may change hands: an orphan
delete leaves it to the next incarnation, so `pod_owners` keeps every set that ever controlled it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from consumers.projection import Observed, Touched
from consumers.states import States
from ledger.model import PODS
from ledger.rollout.pods import PodState, pod_state
from ledger.store import Ledger, Row

CACHED_PODS = 20_000
COUNTED = (
    "owner_uid",
    "revision",
    "phase",
    "ready",
    "reason",
    "ready_changed_at",
    "terminating_at",
)
RAN = ("pod_uid", "container", "image", "image_id")


@dataclass(slots=True)
class _Newest:
    version: int
    position: int
    state: PodState


@dataclass(slots=True)
class Pods:
    """Writes `pod_states`, `pod_owners`, `pod_runs` and `pod_images`."""

    ledger: Ledger
    touched: Touched
    _states: States = field(init=False)
    _newest: dict[int, _Newest] = field(default_factory=dict)
    _changed: dict[int, str] = field(default_factory=dict)
    """The pods that the batch touched: their uids, by object id."""
    _ran: set[tuple[str, str, str, str]] = field(default_factory=set)
    """What containers ran in any state of the batch, not only in each pod's last."""

    def __post_init__(self) -> None:
        self._states = States(self.ledger, "pod", _is_turn)

    def apply(self, observed: Observed) -> None:
        """Note a pod's state. Raises PoisonRecord for what is none."""
        if observed.plural != PODS.plural:
            return
        document = observed.document
        if observed.fact == "deleted":
            self._changed[observed.object_id] = document.objectuid
        if observed.disposition == "duplicate" and self._states.see_again(observed):
            self._touch(observed, *self._owners(observed.object_id))
        if observed.is_news and document.data is not None:
            self._note(observed, pod_state(document.data))

    def settle(self) -> None:
        """The rows of the pods that the batch touched are what their states say."""
        self._states.settle()
        for uid in self.touched.existence:
            row = self.ledger.row("fold/pod_run", {"uid": uid})
            if row is not None:
                self._changed[row["object_id"]] = uid
        for object_id, uid in self._changed.items():
            self._derive(object_id, uid)
        self._changed.clear()
        self.ledger.put(
            "pod_images", [dict(zip(RAN, each, strict=True)) for each in sorted(self._ran)]
        )
        self._ran.clear()
        if len(self._newest) > CACHED_PODS:
            self._newest.clear()

    def forget(self) -> None:
        """Drop what is cached: the transaction was rolled back."""
        self._states.forget()
        self._newest.clear()
        self._changed.clear()
        self._ran.clear()

    def _note(self, observed: Observed, state: PodState) -> None:
        version, object_id = observed.document.version_number, observed.object_id
        newest = self._newest.get(object_id)
        if newest and version > newest.version and newest.state == state:
            newest.version, newest.position = version, observed.position
            self._states.leave_out(observed, partial(_state_row, state))
            return
        self._ran |= {
            (state.uid, each.name, each.image, each.image_id)
            for each in state.containers
            if each.image_id
        }
        noted = self._states.note(observed, _state_row(state))
        if noted.is_change:
            before = [noted.before["owner_uid"]] if noted.before else []
            self._touch(observed, state.owner_uid, *before)
        if self._is_newest(observed, newest):
            self._newest[object_id] = _Newest(version, observed.position, state)
        self._changed[object_id] = state.uid

    def _is_newest(self, observed: Observed, newest: _Newest | None) -> bool:
        document = observed.document
        if newest is not None:
            return document.version_number > newest.version
        # What is newer than a late one may be known from before a restart.
        is_late = observed.disposition == "late"
        return not is_late or self.ledger.row("fold/pod_run", {"uid": document.objectuid}) is None

    def _touch(self, observed: Observed, *owner_uids: str) -> None:
        self._changed[observed.object_id] = observed.document.objectuid
        for owner_uid in owner_uids:
            if owner_uid:
                self.touched.at(owner_uid, observed.document.time)

    def _owners(self, object_id: int) -> list[str]:
        rows = self.ledger.rows("fold/pod_owners", {"object_id": object_id})
        return [row["owner_uid"] for row in rows]

    def _derive(self, object_id: int, uid: str) -> None:
        story = self.ledger.row("fold/pod_story", {"object_id": object_id})
        if story is None:
            return
        known = self.ledger.row("fold/pod_run", {"uid": uid})
        columns: dict[str, Any] = {"uid": uid, "object_id": object_id, **dict(story)}
        newest = self._newest.get(object_id)
        if newest and (known is None or newest.version >= known["resource_version"]):
            columns |= _newest_columns(newest)
        elif known is not None:
            columns = known | columns
        self.ledger.put("pod_runs", [columns])
        self._hand_over(object_id, known, story)

    def _hand_over(self, object_id: int, known: Row | None, story: Row) -> None:
        end, known_end = _end(story), _end(known) if known else (None, None)
        for row in self.ledger.rows("fold/pod_owners", {"object_id": object_id}):
            self.ledger.put("pod_owners", [row | {"object_id": object_id, "gone_at": end[0]}])
            if end != known_end:
                self.touched.at(row["owner_uid"], min(at for at in end + known_end if at))
                self._free(object_id, row["owner_uid"])

    def _free(self, object_id: int, owner_uid: str) -> None:
        # A watch that catches up tells of an end late; by its version it was before these went.
        key = {"object_id": object_id, "owner_uid": owner_uid}
        rows = self.ledger.rows("fold/pruned_after_pod", key)
        self.touched.pruned |= {row["uid"] for row in rows}


def _is_turn(before: Row, row: Mapping[str, Any]) -> bool:
    return any(before[name] != row[name] for name in COUNTED)


def _end(row: Row) -> tuple[str | None, str | None]:
    return row["deleted_at"], row["deleted_after"]


def _state_row(state: PodState) -> dict[str, Any]:
    return {
        "owner_uid": state.owner_uid,
        "revision": state.revision,
        "phase": state.phase,
        "ready": int(state.ready),
        "reason": state.reason,
        "message": state.message,
        "ready_changed_at": state.ready_changed_at,
        "terminating_at": state.terminating_at,
    }


def _newest_columns(newest: _Newest) -> dict[str, Any]:
    state = newest.state
    return {
        "namespace": state.namespace,
        "name": state.name,
        "ordinal": state.ordinal,
        "revision": state.revision,
        "node": state.node,
        "phase": state.phase,
        "ready": int(state.ready),
        "reason": state.reason,
        "message": state.message,
        "restarts": state.restarts,
        "created_at": state.created_at,
        "scheduled_at": state.scheduled_at,
        "started_at": state.started_at,
        "ready_changed_at": state.ready_changed_at,
        "terminating_at": state.terminating_at,
        "resource_version": newest.version,
        "position": newest.position,
    }
