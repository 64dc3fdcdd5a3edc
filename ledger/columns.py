"""Which columns of a question are left aside on its page until somebody asks for every column.

The JSON and CSV of a page always have all of them. This is done by style alone, without a script;
a browser that does not know `:has()` shows them all.
"""

from __future__ import annotations

from ledger import sql

ASIDE = ("workload_uid", "revision_uid", "impersonated", "position")
SHOWN: dict[str, tuple[str, ...]] = {
    "between": (
        "namespace",
        "workload",
        "number_before",
        "number_after",
        "what",
        "images_before",
        "images_after",
        "same_template",
    ),
    "changes": (
        "at",
        "namespace",
        "workload",
        "what",
        "number",
        "summary",
        "actor",
        "basis",
        "ticket",
    ),
    "claim_status": (
        "namespace",
        "claim",
        "status",
        "pod",
        "since",
        "volume",
        "volume_phase",
        "asked",
        "class",
        "drift",
        "deleted_why",
    ),
    "find_text": (
        "observed_at",
        "namespace",
        "workload",
        "number",
        "found_in",
        "summary",
        "change_cause",
        "images",
    ),
    "history": (
        "namespace",
        "workload",
        "number",
        "trigger",
        "status",
        "summary",
        "actor",
        "change_cause",
        "ticket",
        "observed_at",
    ),
    "image_history": (
        "observed_at",
        "namespace",
        "workload",
        "number",
        "trigger",
        "image_before",
        "image_after",
        "status",
        "change_cause",
    ),
    "incarnations": (
        "namespace",
        "name",
        "uid",
        "created_at",
        "deleted_at",
        "recorded",
        "live",
        "replicas",
        "strategy",
        "update_partition",
        "team",
    ),
    "not_recorded": (
        "kind",
        "scope",
        "cause",
        "story",
        "last_seen_at",
        "opened_at",
        "closed_at",
        "covered",
        "detail",
    ),
    "pruned": (
        "pruned_at",
        "namespace",
        "workload",
        "number",
        "pruned_why",
        "summary",
        "restorable_why",
        "observed_at",
    ),
    "recording_coverage": (
        "kind",
        "scope",
        "instance",
        "began_at",
        "until_at",
        "seconds",
        "state",
        "ended_how",
        "redaction_policy",
    ),
    "report_changes": (
        "at",
        "namespace",
        "workload",
        "what",
        "revision_to",
        "summary",
        "actor",
        "basis",
        "ticket",
        "outcome",
    ),
    "revision_evidence": (
        "basis",
        "source",
        "actor",
        "impersonated",
        "verb",
        "received_at",
        "code",
        "agent",
        "audit_id",
        "imported",
        "position",
    ),
    "revision": (
        "number",
        "trigger",
        "undo_of",
        "summary",
        "status",
        "actor",
        "observed_at",
        "change_cause",
        "template",
        "restorable_why",
        "pruned_why",
    ),
    "rollout_history": (
        "id",
        "phase",
        "summary",
        "started_at",
        "stalled_at",
        "took_seconds",
        "undone_by",
        "blocking_pod",
        "blocking_reason",
    ),
    "rollout_pods": (
        "ordinal",
        "pod",
        "going_at",
        "gone_at",
        "created_at",
        "scheduled_at",
        "ready_at",
        "took_seconds",
        "restarts",
        "last_reason",
    ),
    "status_pods": (
        "ordinal",
        "name",
        "revision",
        "number",
        "ready",
        "reason",
        "message",
        "phase",
        "restarts",
        "ready_changed_at",
    ),
    "status_set": (
        "namespace",
        "name",
        "strategy",
        "replicas",
        "ready_pods",
        "updated_pods",
        "current_revision",
        "update_revision",
        "number",
        "phase",
        "started_at",
    ),
    "undo_targets": (
        "label",
        "name",
        "trigger",
        "summary",
        "phase",
        "observed_at",
        "ready_at",
        "finished_at",
        "broke_at",
    ),
    "unfinished": (
        "observed_at",
        "namespace",
        "workload",
        "number",
        "status",
        "trigger",
        "summary",
        "next_number",
        "next_trigger",
        "change_cause",
    ),
}
"""What people read of the questions that answer with more columns than fit a page."""


def aside(question: sql.Query) -> list[str]:
    """The columns of a question that its page leaves aside."""
    shown = SHOWN.get(question.name)
    return [
        column
        for column in question.columns
        if column in ASIDE or (shown is not None and column not in shown)
    ]


def style() -> str:
    """The rules that leave them aside."""
    return "".join(_rule(question) for question in sql.questions() if aside(question))


def _rule(question: sql.Query) -> str:
    names = ", ".join(f".col-{column}" for column in aside(question))
    page = f".query-{question.name}:not(:has(.rl-every input:checked))"
    return f"{page} .rows-and-columns :is({names}) {{ display: none; }}\n"
