"""One rollout for each revision entry: from the spec write that caused it to what became of it.

What is complete stays as it is unless something turns out to have happened before; only the
rollouts whose span a batch reached into are gone through again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from consumers.courses import Course, PodTurn, RefusalTurn, SetTurn, Span, Turn, course_of
from consumers.projection import Observed, Touched
from ledger.canonical import from_bytes
from ledger.rollout.pods import PodState
from ledger.rollout.refusals import recorded
from ledger.rollout.sets import SetStatus, set_status
from ledger.store import Ledger, Row

INHERITED = ("found", "adopted")


@dataclass(slots=True)
class Rollouts:
    """Writes `rollouts`, from `revisions`, `set_states`, `pod_states` and `refusals`."""

    ledger: Ledger
    touched: Touched

    def apply(self, observed: Observed) -> None:
        """Nothing: the projections before this one have noted the facts."""

    def settle(self) -> None:
        """The rollouts that the batch reached into are what the facts say."""
        touched = self.touched
        for row in self.ledger.rows("fold/due_rollouts", {"now": touched.now}):
            touched.at(row["workload_uid"], row["due_at"])
        for uid in {*touched.numbers, *touched.moments}:
            self._derive(uid)

    def forget(self) -> None:
        """Nothing is cached."""

    def _derive(self, uid: str) -> None:
        workload = self.ledger.row("fold/workload", {"uid": uid})
        if workload is None:
            return
        if uid in self.touched.numbers:
            key = {"workload_uid": uid, "number": self.touched.numbers[uid]}
            self.ledger.run("fold/clear_rollouts", key)
        key = {"workload_uid": uid, "object_id": workload["object_id"], "since": self._since(uid)}
        entries = self.ledger.rows("fold/rollout_entries", key)
        for entry, later in pairwise([*entries, None]):
            if entry is not None:
                self.ledger.put("rollouts", [self._row(workload, entry, later)])

    def _since(self, uid: str) -> str | None:
        """When the earliest rollout that the batch reached into was first seen, empty for one that
        the incarnation or the watch began with; None for none.

        By time, not by number: who deletes the newest revisions makes numbers start again lower.
        """
        rows = []
        if uid in self.touched.numbers:
            key = {"workload_uid": uid, "number": self.touched.numbers[uid]}
            rows.append(self.ledger.row("fold/entries_since", key))
        if uid in self.touched.moments:
            moment = {"workload_uid": uid, "moment": self.touched.moments[uid]}
            rows.append(self.ledger.row("fold/rollouts_since", moment))
        return min((row["since"] for row in rows if row and row["since"] is not None), default=None)

    def _row(self, workload: Row, entry: Row, later: Row | None) -> dict[str, Any]:
        until = (later["began_at"] if later else None) or workload["object_deleted_at"]
        began_at = entry["began_at"] if entry["trigger"] not in INHERITED else None
        span = Span(
            workload["uid"], workload["name"], entry["name"], began_at, until, self.touched.now
        )
        if entry["trigger"] in INHERITED and entry["generation"] is None:
            return _columns(entry, Course("progressing")) | {"phase": "unobserved"}
        course = course_of(span, self._turns(workload, span))
        return _columns(entry, course) | _ending(entry, later, workload, course, until)

    def _turns(self, workload: Row, span: Span) -> Iterator[Turn]:
        key = {
            "workload_uid": workload["uid"],
            "object_id": workload["object_id"],
            "since": span.since or "",
            "until": span.until or "9",
        }
        for row in self.ledger.rows("fold/set_turns", key):
            yield SetTurn(
                row["observed_at"], row["resource_version"], _status(row), bool(row["settled"])
            )
        for row in self.ledger.rows("fold/pod_turns", key):
            yield PodTurn(row["observed_at"], row["resource_version"], row["uid"], _pod(row))
        for row in self.ledger.rows("fold/pod_ends", key):
            yield PodTurn(row["deleted_at"], row["resource_version"], row["uid"], None)
        for row in self.ledger.rows("fold/refusal_turns", key):
            yield RefusalTurn(row["observed_at"], row["resource_version"], recorded(row))


def _ending(
    entry: Row, later: Row | None, workload: Row, course: Course, until: str | None
) -> dict[str, Any]:
    finished_at = None if entry["trigger"] in INHERITED else course.finished_at
    undone = later is not None and (
        later["trigger"] in ("undo", "return")
        and later["template_id"] == entry["previous_template_id"]
    )
    told: dict[str, Any] = {
        "started_at": entry["began_at"] if entry["trigger"] not in INHERITED else None,
        "finished_at": finished_at,
        "ended_at": course.finished_at or until,
        "undone_by": later["number"] if later is not None and undone else None,
    }
    if course.phase == "complete":
        return told
    if later is not None:
        return told | {"phase": "undone" if undone else "superseded", "due_at": None}
    if workload["object_deleted_at"] is not None:
        return told | {"phase": "deleted", "due_at": None}
    return told


def _columns(entry: Row, course: Course) -> dict[str, Any]:
    judged, blocker = course.verdict, course.blocker
    return {
        "workload_uid": entry["workload_uid"],
        "revision_uid": entry["revision_uid"],
        "number": entry["number"],
        "label": entry["label"],
        "name": entry["name"],
        "from_number": entry["previous"],
        "from_name": entry["previous_name"] or "",
        "phase": course.phase,
        "stalled_at": course.stalled_at,
        "wanted": judged.wanted if judged else None,
        "targeted": judged.targeted if judged else None,
        "updated": judged.updated if judged else None,
        "blocking_pod": blocker.pod if blocker else None,
        "blocking_reason": blocker.reason if blocker else None,
        "blocking_message": blocker.message if blocker else None,
        "blocking_since": blocker.since if blocker else None,
        "trap": int(blocker is not None and blocker.is_trap),
        "due_at": judged.due_at if judged and course.phase != "complete" else None,
    }


def _status(row: Row) -> SetStatus:
    return set_status(
        {
            "metadata": {
                "generation": row["generation"],
                "deletionTimestamp": row["terminating"] or None,
            },
            "spec": from_bytes(row["spec"].encode()),
            "status": {
                "observedGeneration": row["observed_generation"],
                "currentRevision": row["current_revision"],
                "updateRevision": row["update_revision"],
            },
        }
    )


def _pod(row: Row) -> PodState:
    return PodState(
        uid=row["uid"],
        namespace=row["namespace"],
        name=row["name"],
        ordinal=row["ordinal"],
        revision=row["revision"],
        owner_uid=row["owner_uid"],
        owner_name="",
        node="",
        phase=row["phase"],
        ready=bool(row["ready"]),
        reason=row["reason"],
        message=row["message"],
        restarts=0,
        created_at=row["created_at"],
        scheduled_at=None,
        started_at=None,
        ready_changed_at=row["ready_changed_at"],
        terminating_at=row["terminating_at"],
        containers=(),
        claims=(),
    )
