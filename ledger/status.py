"""`status`: what a rollout is doing, pod by pod, and what would heal it.

One pure function judges: it is given the ledger's newest rows, or, for a time gone by, the objects
as they were recorded then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ledger.envelope import parse
from ledger.errors import NotRecorded
from ledger.model import Position
from ledger.reader import LedgerReader
from ledger.rollout.budget import Budget, budget_of
from ledger.rollout.claims import Owner
from ledger.rollout.pods import PodState, pod_state
from ledger.rollout.refusals import Refusal, recorded, refusal
from ledger.rollout.sets import SetStatus, set_status
from ledger.rollout.stale import HeldClaim, StaleClaim, stale_claims, waits_for_claims
from ledger.rollout.trouble import TERMINATING
from ledger.rollout.verdict import Absences, Blocker, Verdict, newest_by_ordinal, verdict

FLAGS = ("has_rolling_update", "terminating")
SET_BACK = ("undo", "return")
"""Triggers of a revision whose template was there before."""

Bodies = Callable[[Position], bytes]
"""The records of a log by their position."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a StatefulSet stands: its row (queries/status_set.sql) with the rollout's author, its
    status, the pods it controls and the verdict on them, `at` the time it is judged at.
    """

    row: Mapping[str, Any]
    status: SetStatus
    pods: tuple[PodState, ...]
    verdict: Verdict
    at: str
    numbers: Mapping[str, int]
    """The number of each revision by its name."""

    usual: Mapping[str, Any] | None
    """How long its rollouts take (queries/rollout_times.sql); None when none was timed."""

    is_set_back: bool = False
    """Whether its template is one that it had before."""

    stale: Mapping[int, StaleClaim] = field(default_factory=dict)
    """The claim that keeps the pod of an ordinal from being made."""

    @property
    def budget(self) -> Budget | None:
        """How many pods may be unavailable, and which are; None where that cannot be told."""
        if self.has_unseen_pods:
            return None
        return budget_of(self.status, newest_by_ordinal(self.pods), now=self.at)

    @property
    def is_deleted(self) -> bool:
        """Whether the incarnation is gone."""
        return bool(self.row["deleted_at"]) and self.row["deleted_at"] <= self.at

    @property
    def is_done(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.verdict.phase in ("complete", "staged")

    @property
    def was_complete(self) -> bool:
        """Whether the rollout had been complete by then."""
        finished_at = self.row["finished_at"]  # None too where the watch began with it
        return self.row["phase"] == "complete" and (finished_at is None or finished_at <= self.at)

    @property
    def has_unseen_pods(self) -> bool:
        """Whether the set counts pods of which none is recorded: then nobody can judge."""
        return not self.pods and self.status.pods > 0


def standing(reader: LedgerReader, workload_uid: str) -> Standing:
    """How the incarnation stands, as of the newest record. Raises NotRecorded without a state."""
    row = _row(reader, workload_uid)
    asked = {"workload_uid": workload_uid}
    seen = _Seen(
        _status(row),
        tuple(_pod(each) for each in reader.query("status_pods", asked)),
        [recorded(each) for each in reader.query("status_refusals", asked)],
        str(row["now"]),
    )
    return _judged(reader, row, seen)


def standing_at(reader: LedgerReader, bodies: Bodies, workload_uid: str, at: str) -> Standing:
    """How the incarnation stood at a time, from what was recorded until then.

    Raises NotRecorded when it was not seen by then.
    """
    row = _row(reader, workload_uid)
    places = reader.query("status_positions", {"workload_uid": workload_uid, "at": at})
    raw = [(each["kind"], parse(bodies(Position(each["position"]))).data) for each in places]
    sets = [set_status(each) for kind, each in raw if kind == "statefulsets"]
    if not sets:
        raise NotRecorded(f"{row['namespace']}/{row['name']} was not seen by {at}")
    pods = [pod_state(each) for kind, each in raw if kind == "pods"]
    mine = tuple(pod for pod in pods if pod.owner_uid == workload_uid)
    told = [refusal(each) for kind, each in raw if kind == "events"]
    seen = _Seen(sets[0], mine, [each for each in told if each is not None], at)
    return _judged(reader, dict(row) | _rollout_at(reader, row, sets[0], at), seen)


def remedies(standing_now: Standing, blocker: Blocker) -> list[tuple[str, str]]:
    """The commands that heal, the best first, each with what it does; none when nothing is known
    to.
    """
    row = standing_now.row
    undo = f"rollout-ledger undo sts/{row['name']} -n {row['namespace']} --unstick"
    delete = f"kubectl delete pod {blocker.pod} -n {row['namespace']}"
    if blocker.is_trap and standing_now.is_set_back:
        return [(undo, "deletes it, for that is all it needs"), (delete, "the same by hand")]
    if blocker.is_trap:
        return [(delete, "heals it")]
    is_new = blocker.revision == standing_now.status.update_revision
    can_go_back = row["from_number"] is not None and not standing_now.was_complete
    if is_new and can_go_back and blocker.reason != TERMINATING:
        return [(undo, "goes back to the revision before, and deletes what then blocks")]
    return []


@dataclass(frozen=True, slots=True)
class _Seen:
    """A set with its pods and refusals at a time."""

    status: SetStatus
    pods: tuple[PodState, ...]
    refusals: Sequence[Refusal]
    at: str


def _judged(reader: LedgerReader, row: Mapping[str, Any], seen: _Seen) -> Standing:
    absences = _absences(reader, row, seen)
    told = verdict(seen.status, seen.pods, absences, now=seen.at)
    known = reader.query("rollout_history", {"workload_uid": str(row["workload_uid"])})
    numbers = {str(each["revision_name"]): int(each["number"]) for each in reversed(known)}
    shown = dict(row) | _author(known, row["number"], seen.status)
    usual = reader.query("rollout_times", {"namespace": row["namespace"], "name": row["name"]})
    triggers = {each["number"]: each["trigger"] for each in known}
    return Standing(
        shown,
        seen.status,
        seen.pods,
        told,
        seen.at,
        numbers,
        usual[0] if usual else None,
        is_set_back=triggers.get(row["number"]) in SET_BACK,
        stale=absences.stale,
    )


def _absences(reader: LedgerReader, row: Mapping[str, Any], seen: _Seen) -> Absences:
    missing = sorted(set(seen.status.ordinals) - {pod.ordinal for pod in seen.pods})
    if not missing:
        return Absences(str(row["name"]))
    asked = {
        "workload_uid": str(row["workload_uid"]),
        "generation": str(seen.status.generation),
        "at": seen.at,
    }
    since, gone = None, {}
    for each in reader.query("status_absences", asked):
        if each["what"] == "spec":
            since = each["at"]
        else:
            gone[str(each["name"])] = str(each["at"])
    stale = _stale(reader, row, seen, missing)
    return Absences(str(row["name"]), seen.refusals, since, gone, stale)


def _stale(
    reader: LedgerReader, row: Mapping[str, Any], seen: _Seen, missing: Iterable[int]
) -> dict[int, StaleClaim]:
    if not waits_for_claims(seen.status):
        return {}
    asked = {"workload_uid": str(row["workload_uid"]), "at": seen.at}
    rows = reader.query("status_claims", asked)
    held = {
        str(each["claim"]): HeldClaim(
            owners=tuple(Owner(**owner) for owner in json.loads(each["owners"])),
            finalizers=tuple(each["finalizers"].split()),
            is_terminating=each["terminating_at"] is not None,
        )
        for each in rows
    }
    templates = sorted({str(each["template"]) for each in rows})
    return stale_claims(seen.status, str(row["name"]), templates, held, missing)


def _author(
    known: Sequence[Mapping[str, Any]], number: int | None, status: SetStatus
) -> dict[str, Any]:
    """Who caused the rollout, as queries/rollout_history.sql tells it."""
    for each in known:
        if each["number"] == number and each["revision_name"] == status.update_revision:
            return {name: each[name] for name in ("actor", "impersonated", "basis")}
    return {"actor": None, "impersonated": None, "basis": "unknown"}


def _row(reader: LedgerReader, workload_uid: str) -> dict[str, Any]:
    rows = reader.query("status_set", {"workload_uid": workload_uid})
    if not rows or not rows[0]["generation"]:
        raise NotRecorded("its StatefulSet was never seen itself, only what it owns")
    return rows[0]


def _rollout_at(
    reader: LedgerReader, row: Mapping[str, Any], status: SetStatus, at: str
) -> dict[str, Any]:
    """The rollout that was the newest one at a time."""
    same = ("number", "from_number", "phase", "started_at", "stalled_at", "finished_at")
    for each in reader.query("rollout_history", {"workload_uid": str(row["workload_uid"])}):
        if each["revision_name"] == status.update_revision and (each["started_at"] or "") <= at:
            return {name: each[name] for name in same}
    return dict.fromkeys(same)


def _status(row: Mapping[str, Any]) -> SetStatus:
    columns = {part.name: row[part.name] for part in fields(SetStatus)}
    return SetStatus(**columns | {name: bool(row[name]) for name in FLAGS})


def _pod(row: Mapping[str, Any]) -> PodState:
    known = {part.name: row[part.name] for part in fields(PodState) if part.name in row}
    left_out: dict[str, Any] = {
        "owner_uid": row["workload_uid"],
        "owner_name": "",
        "scheduled_at": None,
        "started_at": None,
        "containers": (),
        "claims": (),
    }
    return PodState(**left_out | known | {"ready": bool(row["ready"])})
