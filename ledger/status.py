"""`status`: what a rollout is doing, pod by pod, and what would heal it.

One pure function judges: it is given the ledger's newest rows, or, for a time gone by, the objects
as they were recorded then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
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
ROLLOUT = (
    "number",
    "from_number",
    "phase",
    "started_at",
    "stalled_at",
    "finished_at",
    "actor",
    "impersonated",
    "basis",
)
"""What a standing tells of its rollout."""

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
    """The number that each revision had then, by its name."""

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
        return bool(self.row["deleted_at"])

    @property
    def is_done(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.verdict.phase in ("complete", "staged")

    @property
    def was_complete(self) -> bool:
        """Whether the rollout had been complete by then."""
        return bool(self.row["phase"] == "complete")

    @property
    def has_unseen_pods(self) -> bool:
        """Whether the set counts pods of which none is recorded: then nobody can judge."""
        return not self.pods and self.status.pods > 0


def standing(reader: LedgerReader, workload_uid: str) -> Standing:
    """How the incarnation stands, as of the newest record. Raises NotRecorded without a state."""
    row = _row(reader, workload_uid)
    asked = {"workload_uid": workload_uid}
    numbers = _numbers(reader, workload_uid)
    status = _status(row)
    seen = _Seen(
        status,
        tuple(_pod(each) for each in reader.query("status_pods", asked)),
        [recorded(each) for each in reader.query("status_refusals", asked)],
        str(row["now"]),
        numbers,
        _rollout(reader, workload_uid, numbers, status),
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
    mine = [pod for pod in pods if pod.owner_uid == workload_uid]
    mine.sort(key=lambda pod: -1 if pod.ordinal is None else pod.ordinal, reverse=True)
    told = [refusal(each) for kind, each in raw if kind == "events"]
    refusals = [each for each in told if each is not None]
    numbers = _numbers(reader, workload_uid, at)
    rollout = _rollout_then(_rollout(reader, workload_uid, numbers, sets[0]), at)
    seen = _Seen(sets[0], tuple(mine), refusals, at, numbers, rollout)
    return _judged(reader, _set_then(row, sets[0], at), seen)


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
    """A set with its pods and refusals at a time, the numbers of its revisions and its rollout."""

    status: SetStatus
    pods: tuple[PodState, ...]
    refusals: Sequence[Refusal]
    at: str
    numbers: Mapping[str, int]
    rollout: Mapping[str, Any]


def _judged(reader: LedgerReader, row: Mapping[str, Any], seen: _Seen) -> Standing:
    absences = _absences(reader, row, seen)
    told = verdict(seen.status, seen.pods, absences, now=seen.at)
    usual = reader.query("rollout_times", {"namespace": row["namespace"], "name": row["name"]})
    was_complete = seen.rollout["phase"] == "complete"
    return Standing(
        dict(row)
        | {name: seen.rollout[name] for name in ROLLOUT}
        | {"phase": "complete" if was_complete else told.phase},
        seen.status,
        seen.pods,
        told,
        seen.at,
        seen.numbers,
        usual[0] if usual else None,
        is_set_back=seen.rollout["trigger"] in SET_BACK,
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


def _row(reader: LedgerReader, workload_uid: str) -> dict[str, Any]:
    rows = reader.query("status_set", {"workload_uid": workload_uid})
    if not rows or not rows[0]["generation"]:
        raise NotRecorded("its StatefulSet was never seen itself, only what it owns")
    return rows[0]


def _numbers(reader: LedgerReader, workload_uid: str, at: str = "") -> dict[str, int]:
    """The number of each revision at a time, by its name."""
    rows = reader.query("revision_numbers", {"workload_uid": workload_uid, "at": at})
    return {str(each["name"]): int(each["number"]) for each in rows}


def _rollout(
    reader: LedgerReader, workload_uid: str, numbers: Mapping[str, int], status: SetStatus
) -> dict[str, Any]:
    """The rollout to the update revision (a row of queries/rollout_history.sql), or nothing."""
    number = numbers.get(status.update_revision)
    for each in reader.query("rollout_history", {"workload_uid": workload_uid}):
        if (each["number"], each["revision_name"]) == (number, status.update_revision):
            return each
    return dict.fromkeys((*ROLLOUT, "trigger")) | {"basis": "unknown"}


def _rollout_then(rollout: Mapping[str, Any], at: str) -> dict[str, Any]:
    """A rollout without what came later."""
    times = ("started_at", "stalled_at", "finished_at")
    later = {name for name in times if (rollout[name] or "") > at}
    phase = "progressing" if "finished_at" in later else rollout["phase"]
    return dict(rollout) | dict.fromkeys(later) | {"phase": phase}


def _set_then(row: Mapping[str, Any], status: SetStatus, at: str) -> dict[str, Any]:
    """A set's row with its columns as they were at a time."""
    was_there = (row["deleted_at"] or "9") > at
    columns = asdict(status) | {name: int(getattr(status, name)) for name in FLAGS}
    gone = {"deleted_at": None if was_there else row["deleted_at"]}
    return dict(row) | columns | gone | {"now": at}


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
