"""What a report says of each change; pure.

The fields are those that assessors ask for (SOC 2 CC8.1, ISO 27001 A.8.32, PCI DSS 6.5.1 and
10.2.2): what, when, from where, who and how that is known, who approved it by which ticket, how it
went. docs/report.md explains each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ledger.authors import short
from ledger.diff import Change, diff

FIELDS = (
    *("change_id", "cluster", "namespace", "workload", "workload_uid", "trigger"),
    *("revision_from", "revision_to", "generation", "at", "started_at", "finished_at"),
    *("duration_s", "outcome", "actor", "impersonated", "actor_source", "actor_confidence"),
    *("audit_id", "requested_at", "response_code", "source_addresses", "user_agent"),
    *("approver", "approver_source", "ticket", "ticket_source", "commit_id", "pipeline"),
    *("reason", "change_cause", "notes"),
    *("summary", "fields_changed", "images_before", "images_after", "privileged_change"),
    *("undo_of", "undone_by", "undone_after_s", "exceptions", "template_sha256"),
    *("event_seq_first", "event_seq_last", "record", "actor_record", "evidence_url"),
)
"""The columns of changes.csv, in their order."""

SOON_SECONDS = 3600
"""A change that was taken back so soon had not worked."""

PRIVILEGED = {
    "automountServiceAccountToken": "service account",
    "hostIPC": "hostIPC",
    "hostNetwork": "hostNetwork",
    "hostPID": "hostPID",
    "hostPath": "hostPath",
    "image": "image",
    "securityContext": "securityContext",
    "serviceAccountName": "service account",
}
"""Fields of a pod template that decide what code runs and what it may do."""

UNKNOWN, CLAIMED, SAME = "unknown actor", "actor only claimed", "approved by its actor"
IN_GAP, UNDONE, NO_TICKET = "in a gap", "undone within an hour", "no ticket"
EXCEPTIONS = (UNKNOWN, CLAIMED, SAME, IN_GAP, UNDONE, NO_TICKET)
"""Why an auditor would look at a change, gravest first."""

SETS = ("statefulsets", "controllerrevisions")
WATCHED = {
    "pod deleted": ("pods",),
    "pod evicted": ("pods",),
    "claim deleted": ("persistentvolumeclaims",),
}
"""The kinds in whose gaps a change might be missed, where they are not SETS."""

NOBODYS = ("platform", "adopted")
"""Triggers of revisions that Kubernetes made without anybody's write."""


def row_of(
    raw: Mapping[str, Any], cluster: str, gaps: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The report's row of a row of queries/report_changes.sql; `gaps` are rows of
    queries/not_recorded.sql.
    """
    changes = _changes(raw)
    records = [raw[name] for name in ("write_record", "actor_record", "record")]
    known = [record for record in records if record is not None]
    told = {
        "cluster": cluster,
        "trigger": raw["what"],
        "actor_confidence": raw["basis"],
        "source_addresses": ", ".join(json.loads(raw["addresses"] or "[]")),
        "fields_changed": raw["spec_fields"] or "; ".join(each.path for each in changes),
        "privileged_change": ", ".join(_privileged(raw, changes)),
        "exceptions": ", ".join(exceptions_of(raw, gaps)),
        "event_seq_first": min(known, default=None),
        "event_seq_last": max(known, default=None),
        "evidence_url": _evidence(raw),
    }
    row = {name: told[name] if name in told else raw[name] for name in FIELDS}
    return {name: None if value == "" else value for name, value in row.items()}


def exceptions_of(raw: Mapping[str, Any], gaps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why an auditor would look at a change, gravest first."""
    is_somebodys = raw["what"] not in NOBODYS
    undone_after = raw["undone_after_s"]
    found = {
        UNKNOWN: is_somebodys and not raw["actor"],
        CLAIMED: raw["basis"] == "claimed",
        SAME: _approved_itself(raw),
        IN_GAP: raw["what"] == "imported" or any(_lies_in(raw, gap) for gap in gaps),
        UNDONE: undone_after is not None and undone_after <= SOON_SECONDS,
        NO_TICKET: is_somebodys and not raw["ticket"],
    }
    return [reason for reason in EXCEPTIONS if found[reason]]


def _lies_in(raw: Mapping[str, Any], gap: Mapping[str, Any]) -> bool:
    """Whether the change was noticed within the gap or as it ended, so that more may have been."""
    about = json.loads(gap["detail"]).get("uid")
    return (
        not gap["covered"]
        and gap["kind"] in ("*", *WATCHED.get(raw["what"], SETS))
        and gap["scope"] in ("*", raw["namespace"])
        and about in (None, raw["workload_uid"])
        and gap["last_seen_at"] < raw["at"] <= (gap["closed_at"] or "~")
    )


def _approved_itself(raw: Mapping[str, Any]) -> bool:
    approver = str(raw["approver"] or "").strip().casefold()
    actors = {str(raw[name] or "") for name in ("actor", "impersonated")}
    names = {name.casefold() for actor in actors for name in (actor, short(actor))}
    return approver != "" and approver in names


def _changes(raw: Mapping[str, Any]) -> tuple[Change, ...]:
    if not raw["template_before"] or not raw["template_after"]:
        return ()
    return diff(json.loads(raw["template_before"]), json.loads(raw["template_after"]))


def _privileged(raw: Mapping[str, Any], changes: Sequence[Change]) -> list[str]:
    """The privileged fields that were changed; of a first revision, those it sets."""
    named = [_named(change) for change in changes]
    if raw["template_after"] and not raw["template_before"]:
        named.append(_names(json.loads(raw["template_after"])))
    names = set().union(*named)
    return sorted({told for name, told in PRIVILEGED.items() if name in names})


def _named(change: Change) -> set[str]:
    """The fields on the way to the change and, where an object came or went, in it."""
    on_the_way = {getattr(step, "name", "") for step in change.segments}
    return on_the_way | _names([change.old, change.new])


def _names(value: Any) -> set[str]:
    """The names of the fields within, but for those set to nothing."""
    if isinstance(value, Mapping):
        return {name for name in value if value[name]}.union(*map(_names, value.values()))
    return set().union(*map(_names, value)) if isinstance(value, list) else set()


def _evidence(raw: Mapping[str, Any]) -> str:
    """The page of the evidence, below the address of the ledger in Datasette."""
    if raw["revision_to"] is not None and raw["generation"] is not None:
        asked = {name: raw[name] for name in ("workload_uid", "generation")}
        return f"revision_evidence?{urlencode(asked)}"
    if raw["actor_source"] == "audit":
        return f"actions/{raw['actor_record']}"
    return "" if raw["record"] is None else f"observations/{raw['record']}"
