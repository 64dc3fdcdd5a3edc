"""The writing half of an undo: tried on the server, then sent once, and never sent again blindly.

Every way in which it can end is an `Outcome`; what the API server refuses is raised in its words.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ledger.answers import Expired, Throttled
from ledger.canonical import normal_template
from ledger.diff import diff
from ledger.errors import (
    ClusterUnreachable,
    Forbidden,
    LedgerError,
    Refused,
    Unauthorized,
)
from ledger.undo.api import Asked, DryRun, SetNotFound, patch_set, read_set
from ledger.undo.patch import Intent, nonce_of, patch_of
from ledger.undo.planning import Plan, Raw

Ending = Literal["rolled back", "skipped", "changed meanwhile", "declined"]
LOOK_AGAIN_SECONDS = 0.5
CONFLICTS = 5
_AGAINST_TRIALS = re.compile("admission webhook .* dry.?run", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Orders:
    """How an undo is to be written."""

    dry_run: DryRun = "none"
    reason: str = ""
    ticket: str = ""
    forced: bool = False
    """Also where something else manages the set."""

    skips_trial: bool = False
    """Without the dry run on the server, which some admission webhooks do not support."""

    search_seconds: float = 10.0
    """How long a patch whose answer was lost is looked for before what became of it is unknown."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an undo ended. `generation` is the one that the patch made, or would make; `changed`
    says what somebody else changed meanwhile; `altered` which fields the API server would keep
    otherwise than asked.
    """

    ending: Ending
    dry_run: DryRun = "none"
    generation: int | None = None
    nonce: str = ""
    changed: str = ""
    altered: tuple[str, ...] = ()


class ManagedElsewhere(LedgerError):
    """Something else manages the set and may revert the undo."""


class OutcomeUnknown(LedgerError):
    """The connection was lost after the patch was sent, and it cannot be seen what became of it."""


class KeptAsItIs(LedgerError):
    """Something on the API server's side keeps the template as it is."""


class NoTrial(LedgerError):
    """An admission webhook does not support dry runs, so the patch cannot be tried."""


async def apply(
    cluster: Asked,
    plan: Plan,
    orders: Orders = Orders(),
    *,
    agreed: Callable[[Outcome], bool] = lambda _: True,
) -> Outcome:
    """Try the very patch on the server, ask `agreed` about what came of it, and write it, if the
    set is still as it was planned on: one patch, whole or not at all.

    Raises ManagedElsewhere, NoTrial, KeptAsItIs and OutcomeUnknown; Forbidden and Refused in the
    API server's words. Unless it returns "rolled back" without a dry run, or raises OutcomeUnknown,
    nothing was written.
    """
    if plan.is_there_already:
        return Outcome("skipped", orders.dry_run, plan.live.status.generation)
    if plan.refusals and not orders.forced:
        raise ManagedElsewhere(
            f"statefulset.apps/{plan.name} is {plan.refusals[0].text}",
            hint="change it there, or go on with --force",
        )
    intent = _intent(plan, orders)
    tried = Outcome("rolled back", orders.dry_run)
    if orders.dry_run == "client":
        return tried
    if not orders.skips_trial:
        tried = await _try(cluster, plan, intent, orders.dry_run)
    if orders.dry_run == "server" or tried.ending != "rolled back":
        return tried
    return await _write(cluster, plan, orders, intent) if agreed(tried) else Outcome("declined")


async def _try(cluster: Asked, plan: Plan, intent: Intent, dry_run: DryRun) -> Outcome:
    try:
        raw_tried = await _sent(cluster, plan, intent, is_trial=True)
    except (Refused, Forbidden) as wrong:
        if isinstance(wrong, Refused) and _is_failed_test(wrong):
            return await _changed(cluster, plan, dry_run)
        if _AGAINST_TRIALS.search(wrong.message):
            raise NoTrial(
                wrong.message, hint="--skip-server-dry-run writes without a trial"
            ) from wrong
        raise
    return _came_of(plan, raw_tried, dry_run)


def _came_of(plan: Plan, raw_set: Raw, dry_run: DryRun, nonce: str = "") -> Outcome:
    """What an answer to the patch says. Raises KeptAsItIs where the template stays what it was, and
    that is not the one that was asked for.
    """
    generation, altered = int(raw_set["metadata"]["generation"]), _altered(plan, raw_set)
    if generation > plan.live.status.generation:
        return Outcome("rolled back", dry_run, generation, altered=altered, nonce=nonce)
    if altered:
        raise KeptAsItIs(
            f"the API server keeps the template of statefulset.apps/{plan.name} as it is: "
            f"another {altered[0]} than was asked for",
            hint="an admission webhook or policy puts it back; nothing was changed",
        )
    return Outcome("skipped", dry_run, generation)


async def _write(cluster: Asked, plan: Plan, orders: Orders, intent: Intent) -> Outcome:
    try:
        raw_set = await _sent_at_last(cluster, plan, intent)
    except ClusterUnreachable as wrong:
        if isinstance(wrong, Refused) and _is_failed_test(wrong):
            return await _changed(cluster, plan, "none")
        if isinstance(wrong, Forbidden | Unauthorized) or _is_refused(wrong):
            raise
        return await _found_out(cluster, plan, orders, intent, wrong)
    return _came_of(plan, raw_set, "none", intent.nonce)


async def _sent_at_last(cluster: Asked, plan: Plan, intent: Intent) -> dict[str, Any]:
    """The set that the patch left. A conflict is the server's own word that it wrote nothing: it
    gives up so when the status changes too often under it (apiserver, patch.go).
    """
    for _ in range(CONFLICTS):
        try:
            return await _sent(cluster, plan, intent, is_trial=False)
        except Refused as wrong:
            if wrong.code != 409:
                raise
    return await _sent(cluster, plan, intent, is_trial=False)


async def _sent(cluster: Asked, plan: Plan, intent: Intent, *, is_trial: bool) -> dict[str, Any]:
    raw_set = plan.live.raw_set
    operations = patch_of(raw_set, plan.original.template, intent)
    return await patch_set(cluster, raw_set, operations, is_trial=is_trial)


def _is_refused(wrong: ClusterUnreachable) -> bool:
    """Whether the API server says that it has not written; a 5xx can come from in between."""
    if isinstance(wrong, Throttled | Expired):
        return True
    return isinstance(wrong, Refused) and wrong.code < 500


def _is_failed_test(wrong: Refused) -> bool:
    """A test of a JSON patch that does not hold is a 422 without any cause of its own."""
    return wrong.code == 422 and "the server rejected our request" in wrong.message


async def _changed(cluster: Asked, plan: Plan, dry_run: DryRun) -> Outcome:
    try:
        raw_now = await read_set(cluster, plan.namespace, plan.name)
    except SetNotFound:
        return Outcome("changed meanwhile", dry_run, changed="it was deleted")
    return Outcome("changed meanwhile", dry_run, changed=what_changed(plan.live.raw_set, raw_now))


def what_changed(raw_before: Raw, raw_now: Raw) -> str:
    """What somebody else has done to a set since it was looked at, in a few words."""
    before, now = raw_before["metadata"], raw_now["metadata"]
    if before["uid"] != now["uid"]:
        return "it was deleted and made again"
    if before["generation"] == now["generation"]:
        return "its annotations were added or removed as a whole"
    old, new = (normal_template(raw["spec"]["template"]) for raw in (raw_before, raw_now))
    fields = ", ".join(change.path for change in diff(old, new)[:5])
    what = f"its template ({fields})" if fields else "its spec beside the template"
    return f"{what}, generation {before['generation']} → {now['generation']}"


async def _found_out(
    cluster: Asked, plan: Plan, orders: Orders, intent: Intent, wrong: ClusterUnreachable
) -> Outcome:
    """What became of a patch whose answer never came, seen on the set itself."""
    deadline = time.monotonic() + orders.search_seconds
    while time.monotonic() < deadline:
        try:
            raw_now = await read_set(cluster, plan.namespace, plan.name)
        except SetNotFound:
            break  # It may have been written before that.
        except ClusterUnreachable:
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
            continue
        generation = int(raw_now["metadata"]["generation"])
        if nonce_of(raw_now) == intent.nonce:
            return Outcome("rolled back", generation=generation, nonce=intent.nonce)
        if _is_out(plan.live.raw_set, raw_now):
            changed = what_changed(plan.live.raw_set, raw_now)
            return Outcome("changed meanwhile", changed=changed)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
    raise OutcomeUnknown(
        f"the answer to the patch was lost ({wrong.message}), and it is not there so far",
        hint=f"look for {intent.nonce} in the set's annotation rollout-ledger/undo before you "
        "try again",
    ) from wrong


def _is_out(raw_before: Raw, raw_now: Raw) -> bool:
    """Whether a patch that is not there was not written and will not be: the one write since was
    another, and after it the patch's tests cannot hold.
    """
    before, now = raw_before["metadata"], raw_now["metadata"]
    return bool(before["uid"] == now["uid"] and now["generation"] == before["generation"] + 1)


def _intent(plan: Plan, orders: Orders) -> Intent:
    return Intent(
        nonce=secrets.token_hex(8),
        base_generation=plan.live.status.generation,
        number=plan.target.number,
        label=plan.target.label,
        workload_uid=plan.target.workload_uid,
        reason=orders.reason,
        ticket=orders.ticket,
    )


def _altered(plan: Plan, raw_tried: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields that the API server, or something that it asks, would keep otherwise."""
    kept = normal_template(raw_tried["spec"]["template"])
    changes = diff(plan.original.template, kept)
    return tuple(change.path for change in changes if change.kind != "added")
