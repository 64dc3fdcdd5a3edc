"""Whose a claim is, by its name and its users; and, when it goes, who deleted it and why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consumers.slack import later
from ledger.rollout.claims import readings
from ledger.store import Ledger, Row

BY_HAND = "by hand"
WHEN_DELETED = "retention whenDeleted"
WHEN_SCALED = "retention whenScaled"
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Decision:
    """When a claim's deletion was asked for, and who owned it then."""

    at: str
    owners: tuple[Mapping[str, Any], ...]
    is_seen: bool
    """Whether the request or the end was watched, not inferred from a later list."""


@dataclass(slots=True)
class Claims:
    """The `claims` table."""

    ledger: Ledger

    def derive(self, namespace: str, name: str) -> list[str]:
        """Every claim that ever had the name, anew; their uids."""
        predecessor, uids = None, []
        for row in self.ledger.rows("fold/claim_named", {"namespace": namespace, "name": name}):
            story = self.ledger.rows("fold/claim_story", {"object_id": row["id"]})
            if not story:
                continue
            columns = _newest(story) | self._belonging(story[-1]) | {"predecessor": predecessor}
            self.ledger.put("claims", [columns | self._end(story, columns)])
            predecessor = row["uid"]
            uids.append(predecessor)
        return uids

    def _belonging(self, claim: Mapping[str, Any]) -> dict[str, Any]:
        """The newest incarnation whose template made it, or would take it over, by name."""
        found = []
        for template, workload, ordinal in readings(claim["name"]):
            key = {"template": template, "workload": workload, "namespace": claim["namespace"]}
            until = claim["deleted_at"] or "~"
            row = self.ledger.row("fold/claim_readings", key | {"until": until})
            if row is not None:
                found.append(row | {"ordinal": ordinal})
        if len(found) > 1:
            users = self.ledger.rows("fold/claim_users", {"uid": claim["uid"]})
            names = {row["name"] for row in users}
            decided = [each for each in found if each["workload"] in names]
            if len(decided) != 1:
                told = " or ".join(f"{each['template']} of {each['workload']}" for each in found)
                return _NOBODYS | {"ambiguous": told}
            found = decided
        return _NOBODYS | found[0] if found else _NOBODYS

    def _end(
        self, story: Sequence[Mapping[str, Any]], columns: Mapping[str, Any]
    ) -> dict[str, Any]:
        decision = decision_of(story)
        if decision is None:
            return dict.fromkeys(_END)
        ends: dict[str, Mapping[str, Any] | None] = {}
        for owner in decision.owners:
            ends[owner["uid"]] = self.ledger.row("fold/claim_owner_end", {"uid": owner["uid"]})
        policy = self._policy(decision, ends, columns)
        return {
            "deleted_why": why_deleted(decision, ends),
            "decided_at": decision.at,
            "decided_when_deleted": policy["when_deleted"] if policy else None,
            "decided_when_scaled": policy["when_scaled"] if policy else None,
        }

    def _policy(
        self,
        decision: Decision,
        ends: Mapping[str, Mapping[str, Any] | None],
        columns: Mapping[str, Any],
    ) -> Row | None:
        """The retention policy of the set that decided, as it was then."""
        deciding = None
        for owner in decision.owners:
            end = ends[owner["uid"]]
            if owner["kind"] == "StatefulSet":
                deciding = owner["uid"]
            elif owner["kind"] == "Pod" and end is not None:
                deciding = deciding or end["workload_uid"]
        if deciding is None and columns["workload"] is not None:
            key = {"namespace": columns["namespace"], "name": columns["workload"]}
            row = self.ledger.row("fold/claim_incarnation_at", key | {"at": decision.at})
            deciding = row["uid"] if row else None
        key = {"workload_uid": deciding, "at": decision.at}
        return self.ledger.row("fold/claim_policy", key)


def decision_of(story: Sequence[Mapping[str, Any]]) -> Decision | None:
    """When the end of a claim was decided: its first state with a deletionTimestamp, or its end."""
    for state in story:
        if state["terminating_at"] is not None:
            return Decision(state["observed_at"], _owners(state), is_seen=True)
    last = story[-1]
    if last["deleted_at"] is None:
        return None
    is_seen = last["deleted_how"] == "observed"
    return Decision(last["deleted_at"], _owners(last), is_seen)


def why_deleted(decision: Decision, ends: Mapping[str, Mapping[str, Any] | None]) -> str:
    """`retention whenDeleted`, `retention whenScaled`, `by hand` or `unknown`.

    The garbage collector deletes what has owners and none of them is there any more
    (garbagecollector.go, attemptToDeleteItem; a set that waits for its dependents counts as gone).
    With an owner that stays, or with none, somebody asked for it.
    """
    kinds = {owner["kind"] for owner in decision.owners}
    ours = [owner for owner in decision.owners if owner["kind"] in ("StatefulSet", "Pod")]
    if any(not _is_gone(ends[owner["uid"]], decision.at) for owner in ours):
        return BY_HAND if decision.is_seen else UNKNOWN
    if kinds - {"StatefulSet", "Pod"}:
        return UNKNOWN
    if not kinds:
        return BY_HAND if decision.is_seen else UNKNOWN
    return WHEN_DELETED if "StatefulSet" in kinds else WHEN_SCALED


def _is_gone(end: Mapping[str, Any] | None, at: str) -> bool:
    if end is None:
        # Never seen: it was gone before the recording began.
        return True
    ends = [end["deleted_after"] or end["deleted_at"], end["terminating_at"]]
    since = min((each for each in ends if each is not None), default=None)
    return since is not None and since <= later(at)


def _owners(state: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    return tuple(json.loads(state["owners"]))


def _newest(story: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first, columns = story[0], dict(story[-1])
    kinds = {owner["kind"] for owner in json.loads(columns["owners"])}
    words = [word for kind, word in _OWNER_WORDS.items() if kind in kinds]
    words += ["other"] if kinds - _OWNER_WORDS.keys() else []
    return columns | {
        "first_asked": first["asked"],
        "first_asked_bytes": first["asked_bytes"],
        "observed_at": first["observed_at"],
        "owner": " ".join(words),
    }


_OWNER_WORDS = {"StatefulSet": "set", "Pod": "pod"}
_NOBODYS: dict[str, Any] = dict.fromkeys(
    ("template", "workload", "ordinal", "workload_uid", "ambiguous")
)
_END = ("deleted_why", "decided_at", "decided_when_deleted", "decided_when_scaled")
