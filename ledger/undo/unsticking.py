"""Deleting the pods that hold a rollback up for ever (kubernetes#67250): exactly those, in exactly
the state in which they were seen to do so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import Forbidden, LedgerError
from ledger.model import timestamp, utc_now
from ledger.rollout.pods import pod_state
from ledger.rollout.verdict import Blocker
from ledger.undo.api import Asked, delete_pod
from ledger.undo.planning import Live, Plan, blocking
from ledger.undo.preflight import look

OBSERVED_SECONDS = 60.0
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Deleted:
    """A pod that was deleted because it held the rollout up."""

    pod: str
    uid: str
    reason: str
    revision: str


class NotObserved(LedgerError):
    """The controller has not looked at the restored template in time."""


async def unstick(
    cluster: Asked,
    plan: Plan,
    *,
    generation: int,
    told: Callable[[Deleted], None] = lambda _: None,
) -> tuple[Deleted, ...]:
    """The pods that were deleted, once the controller has seen that generation of the set: those
    on which it waits for ever, each in the state in which it was judged, and no other. `told` hears
    of each at once.

    Raises NotObserved, and Forbidden where pods may not be read or deleted.
    """
    live = await _observed(cluster, plan, generation)
    found = []
    for blocker in blocking(live, now=timestamp(utc_now())):
        deleted = await _delete(cluster, plan, blocker.pod)
        if deleted is not None:
            told(deleted)
            found.append(deleted)
    return tuple(found)


async def forecast(cluster: Asked, plan: Plan, *, asks_server: bool) -> tuple[Deleted, ...]:
    """The pods that would be deleted after the undo. Raises what the API server refuses, if it is
    asked to try.
    """
    raw_pods = {str(raw["metadata"]["name"]): raw for raw in plan.live.raw_pods or ()}
    found = []
    for blocker in plan.blockers:
        raw_pod = raw_pods[blocker.pod]
        # One whose state has changed meanwhile would be judged anew.
        if not asks_server or await delete_pod(cluster, raw_pod, is_trial=True):
            found.append(_deleted(raw_pod, blocker))
    return tuple(found)


async def _delete(cluster: Asked, plan: Plan, name: str) -> Deleted | None:
    """The pod that was deleted; None once it does not block any more. A pod whose status changed
    under the deletion is judged anew.
    """
    while True:
        live = await _same(cluster, plan)
        raw_pods = {str(raw["metadata"]["name"]): raw for raw in live.raw_pods or ()}
        held = blocking(live, now=timestamp(utc_now()))
        blocker = next((each for each in held if each.pod == name), None)
        if blocker is None:
            return None
        if await delete_pod(cluster, raw_pods[name], is_trial=False):
            return _deleted(raw_pods[name], blocker)


async def _observed(cluster: Asked, plan: Plan, generation: int) -> Live:
    deadline = time.monotonic() + OBSERVED_SECONDS
    while True:
        live = await _same(cluster, plan)
        if live.status.observed_generation >= generation:
            return live
        if time.monotonic() > deadline:
            raise NotObserved(
                f"the controller has not seen generation {generation} of statefulset.apps/"
                f"{plan.name} in {OBSERVED_SECONDS:.0f}s; no pod was deleted",
                hint="is kube-controller-manager running? Try --unstick again once it is",
            )
        await asyncio.sleep(POLL_SECONDS)


async def _same(cluster: Asked, plan: Plan) -> Live:
    """The set as it is now, if it is the one that the plan is about."""
    live = await look(cluster, plan.namespace, plan.name)
    if live.raw_set["metadata"]["uid"] != plan.live.raw_set["metadata"]["uid"]:
        raise LedgerError(
            f"statefulset.apps/{plan.name} was deleted and made again; no further pod was deleted"
        )
    if live.raw_pods is None:
        raise Forbidden("pods cannot be listed with these credentials; no pod was deleted")
    return live


def _deleted(raw_pod: Mapping[str, Any], blocker: Blocker) -> Deleted:
    state = pod_state(raw_pod)
    return Deleted(state.name, state.uid, blocker.reason, state.revision)
