"""Everything that is looked at before an undo: the cluster with the caller's rights, and the
ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeVar

from ledger import own_rules
from ledger.canonical import from_bytes, normal_template
from ledger.errors import Forbidden, OtherCluster, UsageError
from ledger.model import timestamp, utc_now
from ledger.originals import Wanted
from ledger.redaction import Policy
from ledger.rollout.claims import claim_templates
from ledger.undo.api import (
    Asked,
    cluster_uid,
    exists,
    read_claim,
    read_pods,
    read_revisions,
    read_set,
)
from ledger.undo.candidates import Candidate, candidates
from ledger.undo.planning import Checked, Live, Plan, Raw, blocking, planned
from ledger.undo.references import Reference, references
from ledger.undo.sources import History, original_of
from ledger.undo.targets import Now, Wish, choose

AT_ONCE = 8
"""Requests under way at a time."""

Found = TypeVar("Found")


async def plan(cluster: Asked, wish: Wish, history: History | None = None) -> Plan:
    """What the undo that is wished for would do. Nothing is written.

    Without a history only live ControllerRevisions are known, as to kubectl. Raises SetNotFound,
    NotRecorded, UsageError, NotRestorable and TamperedOriginal; Forbidden when the caller may not
    read the set; LedgerError in kubectl's words when there is nothing to go back to.
    """
    live = await _live(cluster, wish)
    rows = _rows(history, wish)
    uid, now = live.raw_set["metadata"]["uid"], timestamp(utc_now())
    ready = [pod.revision for pod in live.pods if pod.ready]
    found = candidates(rows, live.raw_revisions or (), uid=uid, ready=ready)
    target = choose(wish, found, _now(live, now))
    if history is not None and target.workload_uid != uid:
        await _refuse_other_cluster(cluster, history, wish)
    wanted = _wanted(history, wish, live, target)
    original = original_of(history, target, wanted)
    there = await _checked(cluster, wish, references(original.template))
    checked = Checked(
        known_uids=frozenset(str(row["workload_uid"]) for row in rows),
        spec_then=_spec_then(history, target),
        there=there,
        now=now,
        rules=history.rules if history else own_rules.NONE,
        policy=_policy(history),
    )
    return planned(live, target, original, checked)


async def look(cluster: Asked, namespace: str, name: str) -> Live:
    """The set, its revisions and pods as they are now. Raises SetNotFound."""
    raw_set = await read_set(cluster, namespace, name)
    raw_revisions = await _allowed(read_revisions(cluster, raw_set))
    return Live(raw_set, raw_revisions, await _allowed(read_pods(cluster, raw_set)), None)


async def _refuse_other_cluster(cluster: Asked, history: History, wish: Wish) -> None:
    """A uid that the cluster does not have may be of an earlier set, or of another cluster's."""
    try:
        found = await cluster_uid(cluster)
    except Forbidden:
        if wish.incarnation:
            return
        raise UsageError(
            f"the revision meant is of an earlier StatefulSet {wish.name}, and these credentials "
            "may not read which cluster this is",
            hint="--incarnation UID says that it is this one's",
        ) from None
    recorded = history.reader.query("report_scope", {})[0]["cluster"]
    if found != recorded:
        raise OtherCluster(
            f"the ledger is of cluster {recorded}, and this is {found}",
            hint="--context or --ledger names the right one",
        )


async def _live(cluster: Asked, wish: Wish) -> Live:
    raw_set = await read_set(cluster, wish.namespace, wish.name)
    raw_revisions, raw_pods, raw_claims = await asyncio.gather(
        _allowed(read_revisions(cluster, raw_set)),
        _allowed(read_pods(cluster, raw_set)),
        _allowed(_claims(cluster, raw_set)),
    )
    return Live(raw_set, raw_revisions, raw_pods, raw_claims)


async def _claims(cluster: Asked, raw_set: Raw) -> list[dict[str, Any]]:
    """The claims of the ordinals that the spec asks for."""
    metadata = raw_set["metadata"]
    ordinals = Live(raw_set, None, None, None).status.ordinals
    names = [
        f"{template.name}-{metadata['name']}-{ordinal}"
        for template in claim_templates(raw_set)
        for ordinal in ordinals
    ]
    found = await _few_at_once([read_claim(cluster, metadata["namespace"], each) for each in names])
    return [raw_claim for raw_claim in found if raw_claim is not None]


async def _checked(
    cluster: Asked, wish: Wish, needed: Sequence[Reference]
) -> Mapping[Reference, bool | None]:
    asked = [exists(cluster, each.plural, wish.namespace, each.name) for each in needed]
    return dict(zip(needed, await _few_at_once(asked), strict=True))


async def _few_at_once(asked: Sequence[Awaitable[Found]]) -> list[Found]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(one: Awaitable[Found]) -> Found:
        async with turns:
            return await one

    return list(await asyncio.gather(*map(in_turn, asked)))


async def _allowed(reading: Awaitable[Found]) -> Found | None:
    try:
        return await reading
    except Forbidden:
        return None


def _rows(history: History | None, wish: Wish) -> list[dict[str, Any]]:
    if history is None:
        return []
    asked = {"namespace": wish.namespace, "name": wish.name}
    return history.reader.query("undo_targets", asked)


def _now(live: Live, at: str) -> Now:
    named = [
        str(raw["metadata"]["name"])
        for raw in live.raw_revisions or ()
        if _template_of(raw) == live.template
    ]
    update_revision = live.status.update_revision
    return Now(
        uid=str(live.raw_set["metadata"]["uid"]),
        update_revision=update_revision,
        # Without a right to see revisions the status has to be believed.
        template_revision=update_revision
        if live.raw_revisions is None
        else next(iter(named), None),
        at=at,
        stuck_on=tuple(each.revision for each in blocking(live, now=at)),
    )


def _template_of(raw_revision: Mapping[str, Any]) -> dict[str, Any] | None:
    """The template of a ControllerRevision, in normal form; None of one that somebody made without
    any.
    """
    try:
        return normal_template(raw_revision["data"]["spec"]["template"])
    except (KeyError, TypeError, AttributeError):
        return None


def _wanted(history: History | None, wish: Wish, live: Live, target: Candidate) -> Wanted:
    """What is recorded of the target; of one that is not, what the cluster says."""
    collided = 0
    if target.digest is not None and history is not None:
        asked = {
            "namespace": wish.namespace,
            "name": wish.name,
            "workload_uid": target.workload_uid,
            "label": target.label,
        }
        row = next(
            each
            for each in history.reader.query("revision", asked)
            if each["template_digest"] == target.digest
        )
        template, collided = from_bytes(row["template"].encode()), row["collision_count"] or 0
    else:
        template = _template_of(target.raw_revision or {}) or {}
    collisions = (live.raw_set.get("status") or {}).get("collisionCount") or 0
    return Wanted(target.name, template, max(int(collisions), collided))


def _policy(history: History | None) -> Policy:
    """What an installation hides from its ledger it does not show beside it either."""
    streams = history.reader.query("freshness", {}) if history else []
    policies = {str(stream["redaction_policy"]) for stream in streams}
    return "strict" if "strict" in policies else "secrets"


def _spec_then(history: History | None, target: Candidate) -> Mapping[str, Any] | None:
    if history is None or not target.is_recorded:
        return None
    asked = {
        "workload_uid": target.workload_uid,
        "before_generation": str(target.superseded_generation or ""),
        "before_time": target.superseded_at or "",
    }
    rows = history.reader.query("spec_then", asked)
    return from_bytes(rows[0]["spec"].encode()) if rows else None
