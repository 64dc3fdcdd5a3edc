"""`undo --wait`: the rollout followed to its end, on the cluster itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any

from ledger.cli.output import Screen
from ledger.cli.status import follow, follow_as_kubectl
from ledger.cli.undo_options import Call
from ledger.errors import LedgerError
from ledger.model import timestamp, utc_now
from ledger.rollout.verdict import Absences, verdict
from ledger.sql import load
from ledger.status import Standing
from ledger.undo.api import SetNotFound

if TYPE_CHECKING:
    from ledger.undo import Live, Plan

Run = Callable[[Coroutine[Any, Any, "Live"]], "Live"]


def follow_undo(
    screen: Screen, call: Call, plan: Plan, look: Callable[[], Live], generation: int
) -> None:
    """Return when the rollout is complete or held back on purpose.

    Raises LedgerError when it is not in time, or when the set is gone or was changed again.
    """
    looks = _looks(plan, look, generation)
    if call.output == "kubectl":
        follow_as_kubectl(looks, follows=True, seconds=call.timeout_seconds)
    else:
        follow(screen, next(looks)[0], looks, seconds=call.timeout_seconds)


def _looks(plan: Plan, look: Callable[[], Live], generation: int) -> Iterator[list[Standing]]:
    started_at = timestamp(utc_now())
    while True:
        try:
            live = look()
        except SetNotFound:
            raise LedgerError("object has been deleted") from None
        metadata = live.raw_set["metadata"]
        if metadata["uid"] != plan.live.raw_set["metadata"]["uid"]:
            raise LedgerError("object has been deleted")
        if metadata["generation"] != generation and live.template != plan.original.template:
            raise LedgerError(
                f"statefulset.apps/{plan.name} was changed again, "
                f"generation {generation} → {metadata['generation']}; no longer followed"
            )
        yield [_standing(plan, live, started_at)]


def _standing(plan: Plan, live: Live, started_at: str) -> Standing:
    now = timestamp(utc_now())
    numbers = {raw["metadata"]["name"]: int(raw["revision"]) for raw in live.raw_revisions or ()}
    row = dict.fromkeys((*load("status_set").columns, *load("rollout_history").columns)) | {
        "name": plan.name,
        "namespace": plan.namespace,
        "workload_uid": live.raw_set["metadata"]["uid"],
        "number": numbers.get(live.status.update_revision),
        "started_at": started_at,
        "actor": "this undo",
        "basis": "exact",
    }
    judged = verdict(live.status, live.pods, Absences(plan.name, since=started_at), now=now)
    return Standing(row, live.status, live.pods, judged, now, numbers, None)
