"""What a report says of each change; pure.

The fields are those that assessors ask for (SOC 2 CC8.1, ISO 27001 A.8.32, PCI DSS 6.5.1 and 10.2):
what, when, who and how that is known, who approved it by which ticket, how it went.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ledger.diff import Change, diff

FIELDS = (
    *("change_id", "cluster", "namespace", "workload", "workload_uid", "what"),
    *("revision_from", "revision_to", "generation", "at", "started_at", "finished_at"),
    *("duration_s", "outcome", "actor", "impersonated", "actor_confidence", "approver", "ticket"),
    *("reason", "change_cause", "summary", "fields_changed", "images_before", "images_after"),
    *("privileged_change", "undo_of", "undone_by", "exceptions", "template_sha256"),
    *("actor_record", "record"),
)
"""The columns of changes.csv, in their order."""

SOON_SECONDS = 3600
"""A change that was taken back so soon had not worked."""

PRIVILEGED = {
    "securityContext": "securityContext",
    "hostPath": "hostPath",
    "hostNetwork": "hostNetwork",
    "hostPID": "hostPID",
    "hostIPC": "hostIPC",
    "serviceAccountName": "service account",
    "image": "image",
}
"""Fields that decide what code runs and what it may do."""

NO_TICKET, UNKNOWN, CLAIMED = "no ticket", "unknown actor", "actor only claimed"
IN_GAP, UNDONE = "in a gap", "undone within an hour"
EXCEPTIONS = (UNKNOWN, CLAIMED, NO_TICKET, IN_GAP, UNDONE)


def row_of(raw: Mapping[str, Any], cluster: str) -> dict[str, Any]:
    """The report's row of a row of queries/report_changes.sql."""
    changes = _changes(raw)
    told = {
        "cluster": cluster,
        "actor_confidence": raw["basis"],
        "fields_changed": "; ".join(change.path for change in changes),
        "privileged_change": ", ".join(_privileged(changes)),
        "exceptions": ", ".join(exceptions_of(raw)),
    }
    return {name: told.get(name, raw.get(name)) for name in FIELDS}


def exceptions_of(raw: Mapping[str, Any]) -> list[str]:
    """Why an auditor would look at a change, gravest first."""
    soon = raw["undone_after_s"] is not None and raw["undone_after_s"] <= SOON_SECONDS
    found = {
        UNKNOWN: not raw["actor"] and raw["what"] not in ("platform", "adopted"),
        CLAIMED: raw["basis"] == "claimed",
        NO_TICKET: not raw["ticket"] and raw["what"] not in ("platform", "adopted"),
        IN_GAP: raw["gap"] is not None,
        UNDONE: soon,
    }
    return [reason for reason in EXCEPTIONS if found[reason]]


def _changes(raw: Mapping[str, Any]) -> tuple[Change, ...]:
    if not raw["template_before"] or not raw["template_after"]:
        return ()
    return diff(json.loads(raw["template_before"]), json.loads(raw["template_after"]))


def _privileged(changes: tuple[Change, ...]) -> list[str]:
    found = set()
    for change in changes:
        names = {getattr(step, "name", "") for step in change.segments}
        told = json.dumps([change.old, change.new])
        found |= {
            shown
            for field, shown in PRIVILEGED.items()
            if field in names or (field != "image" and f'"{field}"' in told)
        }
        if change.kind in ("added", "removed") and '"image"' in told:
            found.add("image")
    return sorted(found)
