"""What every view and its columns mean."""

from __future__ import annotations

from ledger.dictionary.entry import Entry

VIEWS: dict[str, Entry] = {
    "history": Entry(
        "Every revision of every workload, newest first.",
        {
            "workload": "namespace/name",
            "number": "the revision number",
            "trigger": "why it came to be",
            "status": "what became of the rollout",
            "summary": "what changed",
            "change_cause": "the change cause that goes with it",
            "observed_at": "when we first saw it",
            "pruned_why": "why kubectl no longer lists it",
        },
    ),
    "changes": Entry(
        "Everything that changed, across all workloads, newest first.",
        {
            "at": "when we saw it",
            "workload": "namespace/name",
            "what": "the trigger, spec (a change that made no revision), or deleted",
            "number": "the revision number",
            "summary": "what changed",
            "ticket": "the ticket given with it",
        },
    ),
    "open_rollouts": Entry(
        "What is rolling out now, and what holds it up.",
        {
            "workload": "namespace/name",
            "number": "the revision number",
            "phase": "progressing, staged, settling or stalled",
            "updated": "pods on the revision, of those wanted",
            "started_at": "when its spec write was seen",
            "blocking_pod": "the pod that holds it up",
            "blocking_reason": "Kubernetes' word for why",
            "blocking_since": "since when",
        },
    ),
    "current_state": Entry(
        "What runs now: each living workload with its newest revision.",
        {
            "workload": "namespace/name",
            "number": "its newest revision",
            "status": "what became of that rollout",
            "trigger": "why that revision came to be",
            "images": "what it runs",
            "replicas": "how many pods are wanted",
            "strategy": "its update strategy",
            "observed_at": "when the revision was first seen",
        },
    ),
    "image_changes": Entry(
        "Revisions that run other images than the one before them.",
        {
            "observed_at": "when it was first seen",
            "workload": "namespace/name",
            "number": "the revision number",
            "trigger": "why it came to be",
            "images_before": "what the revision before it ran",
            "images_after": "what it runs",
        },
    ),
    "undos": Entry(
        "Revisions that brought an earlier template back.",
        {
            "observed_at": "when it was first seen",
            "workload": "namespace/name",
            "number": "the revision number",
            "trigger": "undo, or return: an old manifest applied again",
            "undo_of": "the number that last held the template",
            "summary": "what changed",
            "reason": "the reason given with our undo",
            "ticket": "the ticket given with our undo",
        },
    ),
    "recording_gaps": Entry(
        "What was not seen, newest first.",
        {
            "opened_at": "when the gap was noticed",
            "kind": "the kind, plural",
            "scope": "the namespace, or * for all",
            "cause": "why it was not seen",
            "story": "the same in words",
            "last_seen_at": "the last proof that it was",
            "closed_at": "when a complete snapshot ended it",
        },
    ),
    "gap_stories": Entry(
        "Each gap in words.",
        {"id": "the gap", "story": "what was not seen, and why"},
    ),
    "freshness": Entry(
        "For each stream the newest proof that it was being watched.",
        {
            "kind": "the kind, plural",
            "scope": "the namespace, or * for all",
            "state": "what the watcher last said of it",
            "until_at": "the newest heartbeat or snapshot",
            "redaction_policy": "how secrets were hidden",
        },
    ),
}
