"""Which columns of a question are left aside on its page until somebody asks for every column.

The JSON and CSV of a page always have all of them. This is done by style alone, without a script;
a browser that does not know `:has()` shows them all.
"""

from __future__ import annotations

from ledger import sql

ASIDE = ("workload_uid", "revision_uid", "basis", "position")
ASIDE_TOO: dict[str, tuple[str, ...]] = {
    "rollout_history": (
        "namespace",
        "workload",
        "number",
        "label",
        "from_number",
        "trigger",
        "finished_at",
        "ended_at",
        "wanted",
        "targeted",
        "updated",
        "blocking_message",
        "blocking_since",
        "trap",
        "revision_name",
        "min_ready_seconds",
    ),
    "history": (
        "label",
        "name",
        "undo_of",
        "actor",
        "change_cause_stale",
        "change_cause_state",
        "ticket",
        "reason",
        "restorable",
        "restorable_why",
        "live",
        "running",
        "pruned_at",
        "created_at",
        "took_seconds",
        "images",
        "template_digest",
        "generation",
    ),
    "incarnations": (
        "predecessor",
        "deleted_after",
        "current_revision",
        "update_revision",
        "settled",
        "labels",
    ),
    "revision": (
        "label",
        "name",
        "change_cause_state",
        "redaction_key",
        "restorable",
        "generation",
        "pruned_at",
    ),
    "between": ("first_at", "last_at"),
    "find_text": ("change_cause_state", "ticket", "reason"),
    "pruned": ("pruned_after", "restorable", "name"),
    "unfinished": ("actor", "ticket", "next_at"),
    "image_history": ("actor", "ticket"),
    "recording_coverage": ("began_how", "resource_version"),
    "not_recorded": ("id", "last_version", "next_version"),
}


def aside(question: sql.Query) -> list[str]:
    """The columns of a question that its page leaves aside."""
    left = {*ASIDE, *ASIDE_TOO.get(question.name, ())}
    return [column for column in question.columns if column in left]


def style() -> str:
    """The rules that leave them aside."""
    return "".join(_rule(question) for question in sql.questions() if aside(question))


def _rule(question: sql.Query) -> str:
    names = ", ".join(f".col-{column}" for column in aside(question))
    page = f".query-{question.name}:not(:has(.rl-every input:checked))"
    return f"{page} .rows-and-columns :is({names}) {{ display: none; }}\n"
