"""The data dictionary: what every table, view and column of a ledger means.

Datasette shows it beside the data; a test holds it complete.
"""

from __future__ import annotations

from dataclasses import dataclass

_TIME = "RFC 3339, UTC"


@dataclass(frozen=True, slots=True)
class Entry:
    """One table or view: what one row is, what its columns mean, and how it is best shown."""

    description: str
    columns: dict[str, str]
    label_column: str = ""
    facets: tuple[str, ...] = ()
    sort_desc: str = ""
    is_hidden: bool = False


TABLES: dict[str, Entry] = {
    "workloads": Entry(
        "One incarnation of a StatefulSet (one uid); deleting and recreating it makes another row.",
        {
            "uid": "uid of the StatefulSet",
            "namespace": "its namespace",
            "name": "its name",
            "label": "namespace/name; of a deleted incarnation also the start of its uid",
            "created_at": f"creationTimestamp ({_TIME})",
            "first_seen_at": "the first record that named it",
            "predecessor": "the incarnation of the same name before this one",
            "generation": "metadata.generation at its newest state",
            "observed_generation": "status.observedGeneration at its newest state",
            "replicas": "spec.replicas",
            "strategy": "spec.updateStrategy.type",
            "update_partition": "spec.updateStrategy.rollingUpdate.partition",
            "history_limit": "spec.revisionHistoryLimit",
            "current_revision": "status.currentRevision",
            "update_revision": "status.updateRevision",
            "settled": "1 when every pod is ready on the update revision",
            "labels": "metadata.labels, JSON",
            "selector": "spec.selector, JSON",
            "team": "whose it is: the first of the labels app.kubernetes.io/part-of, team, owner",
            "deleted_at": "when it was deleted, or the upper bound of that time",
            "deleted_after": "the lower bound of that time, when the deletion was not watched",
            "deleted_how": "observed, or inferred from a complete list",
        },
        label_column="label",
        facets=("namespace", "team", "strategy"),
    ),
    "revisions": Entry(
        "One number that a revision of a StatefulSet ever had. A number that Kubernetes renumbered"
        " or pruned keeps its row.",
        {
            "workload_uid": "the incarnation",
            "revision_uid": "uid of the ControllerRevision; empty for numbers nobody saw",
            "number": "the revision number",
            "label": "the number as shown; 3~1a2b where a number was used twice",
            "name": "name of the ControllerRevision",
            "template_id": "the pod template",
            "trigger": "create, change, restart, undo, return, platform, adopted, found or unseen",
            "undo_of": "the lower number that last held this template, for an undo or return",
            "previous": "the next lower number when this one was made",
            "summary": "what changed against the previous one",
            "status": "complete, superseded, progressing, staged, deleted or unobserved",
            "generation": "the StatefulSet generation that caused it",
            "change_cause": "the kubernetes.io/change-cause that goes with it",
            "change_cause_state": "fresh, late, stale (copied), unverified or none",
            "ticket": "the ticket given with our undo",
            "reason": "the reason given with our undo",
            "created_at": "creationTimestamp of the ControllerRevision, for its first number",
            "bumped_after": "when the object last had its earlier number, for a renumbering",
            "observed_at": "when we first saw this number",
            "restorable": "1 when the full template can still be had",
            "restorable_why": "why, or why not",
            "live": "1 when kubectl rollout history would list it",
            "pruned_at": "when the number was no longer to be found in the cluster",
            "pruned_after": "the lower bound of that time, when it was not watched",
            "pruned_why": "renumbered, history limit, deleted by hand, set deleted, left behind",
            "position": "the record it was first seen in",
        },
        label_column="name",
        facets=("trigger", "status"),
        sort_desc="observed_at",
    ),
    "templates": Entry(
        "One distinct pod template, as recorded: secrets are replaced by keyed tags.",
        {
            "id": "its id",
            "digest": "SHA-256 of its canonical JSON",
            "template": "the pod template, JSON",
            "images": "container=image pairs",
            "redaction_key": "id of the key its secrets are tagged with; empty when it is whole",
        },
        label_column="images",
    ),
    "gaps": Entry(
        "One stretch in which a stream was not watched.",
        {
            "id": "its id: the record that opened it",
            "kind": "the kind, plural",
            "scope": "the namespace, or * for all",
            "cause": "expired-410, forbidden, decode, line-too-long, log-truncated …",
            "last_seen_at": "the last proof that the stream was watched",
            "opened_at": "when the gap was noticed",
            "closed_at": "when a complete snapshot ended it; empty while it is open",
            "last_version": "the last resourceVersion before it",
            "next_version": "the first resourceVersion after it",
            "instance_id": "the watcher process",
            "detail": "what else is known, JSON",
            "position": "the record that opened it",
        },
        label_column="cause",
        facets=("kind", "cause"),
        sort_desc="opened_at",
    ),
    "coverage": Entry(
        "One stretch in which a stream was watched by one process. Silence is never completeness:"
        " a stretch grows only by heartbeats and snapshots.",
        {
            "id": "its id",
            "kind": "the kind, plural",
            "scope": "the namespace, or * for all",
            "instance_id": "the watcher process",
            "began_at": "when it began",
            "began_how": "listed afresh, or resumed from the log",
            "until_at": "the newest proof that the stream was watched",
            "resource_version": "the newest resourceVersion it had reached then",
            "state": "what the watcher last said of the stream",
            "ended_how": "stopped or gap; empty while it goes on",
            "redaction_policy": "how secrets were hidden: secrets, strict or off",
            "redaction_key": "id of the key they were tagged with",
        },
        facets=("kind", "state"),
        sort_desc="until_at",
    ),
    "objects": Entry(
        "One Kubernetes object ever seen.",
        {
            "id": "its id here",
            "kind": "the kind, plural",
            "namespace": "its namespace; empty for cluster-scoped kinds",
            "name": "its name",
            "uid": "its uid",
            "label": "kind/namespace/name",
            "created_at": "creationTimestamp",
            "owner_uid": "uid of its controller when first seen",
            "resource_version": "the newest resourceVersion seen",
            "alive_version": "the newest resourceVersion at which it was known to exist",
            "first_seen_at": "the time of its first record",
            "last_seen_at": "the time of its newest record",
            "last_position": "its newest record",
            "deleted_version": "the resourceVersion of its deletion, or of the list that lacked it",
            "deleted_at": "when it was deleted, or the upper bound of that time",
            "deleted_after": "the lower bound of that time, when the deletion was not watched",
            "deleted_how": "observed, or inferred from a complete list",
        },
        label_column="label",
        facets=("kind", "namespace"),
        sort_desc="last_seen_at",
    ),
    "observations": Entry(
        "One record of the log: its metadata. The bodies are in log.db, at the same position.",
        {
            "position": "its place in the log, and its leaf index",
            "fact": "state, deleted, gap, coverage, audit, sealed or note",
            "object_id": "the object it is about",
            "resource_version": "the object's resourceVersion",
            "generation": "the object's generation",
            "observed_at": "when the watcher saw it",
            "instance_id": "the watcher process",
            "sequence": "that process's own count",
            "content": "the first 16 hex characters of SHA-256 of its data",
            "snapshot": "the list it was part of; empty for what was watched",
            "disposition": "first, duplicate, recoding, late, or fact",
        },
        facets=("fact", "disposition"),
        sort_desc="position",
    ),
    "instances": Entry(
        "One watcher process.",
        {
            "id": "its id here",
            "instance": "the name it gave itself",
            "first_seen_at": "the time of its first record",
            "last_seen_at": "the time of its newest record",
            "last_sequence": "the highest number it has given a record",
        },
        label_column="instance",
    ),
    "snapshots": Entry(
        "One complete or interrupted list of a kind.",
        {
            "id": "its id",
            "kind": "the kind, plural",
            "scope": "the namespace, or * for all",
            "filter": "version of the rules of what is kept",
            "instance_id": "the watcher process",
            "began_at": "when the list was asked for",
            "ended_at": "when its last page was in",
            "resource_version": "the list's resourceVersion",
            "announced": "how many kept objects it named",
            "listed": "how many of them are recorded",
            "complete": "1 when both agree: only then does it prove deletions",
        },
        sort_desc="ended_at",
    ),
    "rejects": Entry(
        "One record that could not be read. Its bytes stay in the log.",
        {
            "position": "its place in the log",
            "sha256": "SHA-256 of its bytes",
            "bytes": "how many bytes it has",
            "reason": "why it could not be read",
        },
        sort_desc="position",
    ),
    "set_states": Entry(
        "A state of a StatefulSet in which something the ledger derives from changed.",
        {
            "object_id": "the StatefulSet",
            "resource_version": "its resourceVersion",
            "position": "the record",
            "observed_at": "when it was seen",
            "generation": "metadata.generation",
            "template_id": "its pod template",
            "change_cause": "its kubernetes.io/change-cause",
            "undo_annotation": "its rollout-ledger/undo annotation, JSON",
            "observed_generation": "status.observedGeneration",
            "current_revision": "status.currentRevision",
            "update_revision": "status.updateRevision",
            "settled": "1 when every pod was ready on the update revision",
            "replicas": "spec.replicas",
            "strategy": "spec.updateStrategy.type",
            "update_partition": "the rolling update's partition",
            "history_limit": "spec.revisionHistoryLimit",
            "terminating": "1 when it had a deletionTimestamp",
            "managed_fields": "the managedFields entries that own spec fields, JSON",
        },
        sort_desc="observed_at",
    ),
    "revision_states": Entry(
        "A state of a ControllerRevision in which its number, owner or cause changed.",
        {
            "object_id": "the ControllerRevision",
            "resource_version": "its resourceVersion",
            "position": "the record",
            "observed_at": "when it was seen",
            "number": "its number",
            "owner_uid": "uid of the StatefulSet that controlled it; empty while orphaned",
            "template_id": "its pod template",
            "change_cause": "its kubernetes.io/change-cause, copied when it was made",
        },
        sort_desc="observed_at",
    ),
    "leaves": Entry(
        "The Merkle tree's entries: SHA-256 of each record's bytes (RFC 6962).",
        {"position": "the record, and the leaf index", "entry": "SHA-256 of the record's bytes"},
        sort_desc="position",
    ),
    "snapshot_members": Entry(
        "Objects named by lists that are not complete yet.",
        {"snapshot": "the list", "object_id": "the object"},
        is_hidden=True,
    ),
    "progress": Entry(
        "How far the log is folded; one row.",
        {
            "id": "always 1",
            "cluster": "uid of the cluster's namespace kube-system",
            "next_position": "the next record to fold",
            "now": "the newest record time: the fold's only clock",
            "tree_size": "leaves in the Merkle tree",
            "frontier": "the tree's frontier",
        },
        is_hidden=True,
    ),
    "_sqlite_migrations": Entry(
        "Which steps have made this file's tables.",
        {
            "id": "step number",
            "migration_set": "whose steps",
            "name": "the step",
            "applied_at": "when it was taken",
        },
        is_hidden=True,
    ),
}

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
            "what": "the trigger, or deleted",
            "number": "the revision number",
            "summary": "what changed",
            "ticket": "the ticket given with it",
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
            "last_seen_at": "the last proof that it was",
            "closed_at": "when a complete snapshot ended it",
            "last_version": "the last resourceVersion before it",
            "next_version": "the first resourceVersion after it",
        },
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

ALL = {**TABLES, **VIEWS}
