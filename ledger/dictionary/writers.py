"""What the tables of requests, authors and statements mean."""

from __future__ import annotations

from ledger.dictionary.entry import Entry

WRITERS: dict[str, Entry] = {
    "actions": Entry(
        "A request to the API server, from its audit log: who asked for what, and the answer; no"
        " value of any body is kept.",
        {
            "position": "the record",
            "audit_id": "the API server's id of the request; a client may choose it, also one that"
            " is in use",
            "stage": "ResponseComplete, or Panic",
            "level": "how much the audit policy let be logged",
            "verb": "create, update, patch, delete or deletecollection",
            "kind": "the kind, plural",
            "subresource": "scale or eviction; empty for the object itself",
            "namespace": "the object's namespace",
            "name": "the object's name; empty for a collection",
            "uid": "the object's uid, where the answer or the request had it",
            "resource_version": "the version the answer had; a dry run and a patch that changes"
            " nothing answer with somebody else's",
            "generation": "the generation the answer had",
            "code": "the HTTP status",
            "user": "who asked, as the API server authenticated them",
            "impersonated": "as whom they asked; empty when as themselves",
            "agent": "the client's User-Agent, which it chooses itself",
            "addresses": "the client's addresses, JSON",
            "manager": "the field manager of the write",
            "apply": "1 for a server-side apply",
            "dry_run": "1 when nothing was to be written",
            "received_at": "when the API server received it",
            "completed_at": "when it had answered",
            "replicas": "the replicas a scale asked for",
            "touched": "paths of the fields a patch names, JSON; /* when some were left out",
            "removed": "paths of the fields a patch takes away, JSON",
            "imported": "the file it was imported from; empty when it was told as it happened",
            "required_version": "the version it was to be written over, where it named one",
        },
        label_column="audit_id",
        facets=("verb", "kind"),
        sort_desc="received_at",
    ),
    "deleted_together": Entry(
        "An object that a deletion of a collection took with it.",
        {
            "position": "the request",
            "uid": "uid of the object",
            "resource_version": "its version as the answer had it",
        },
    ),
    "terminations": Entry(
        "The first state of an object that had a deletionTimestamp.",
        {
            "object_id": "the object",
            "resource_version": "that state's resourceVersion",
            "position": "the record",
            "observed_at": "when it was seen",
        },
    ),
    "attributions": Entry(
        "One reason to say who made a change; the best of them is shown.",
        {
            "object_id": "the object that was changed",
            "what": "write (of a StatefulSet's spec) or deletion",
            "generation": "the generation that the write made; 0 for a deletion",
            "position": "the record that says so",
            "source": "audit, stamp (an admission policy) or manager (managedFields)",
            "actor": "who; of managedFields the manager's name, which its client chose",
            "impersonated": "as whom they asked",
            "basis": "exact, strong, probable or claimed",
            "rank": "0 for the strongest basis",
            "best": "1 for the one that is shown",
            "by_controller": "1 when it was a part of Kubernetes, on somebody else's behalf",
        },
        facets=("basis", "source"),
    ),
    "statements": Entry(
        "What an annotation said of the write that it came with; a claim.",
        {
            "object_id": "the StatefulSet",
            "generation": "the generation that the write made",
            "role": "ticket, approver, commit or pipeline; reason too where it was undone",
            "source": "annotation, or undo annotation: what our own undo was told",
            "said": "what it says",
            "position": "the record",
        },
    ),
    "notes": Entry(
        "What somebody added later about a revision; a claim, and later than the change.",
        {
            "position": "the record",
            "note_id": "the note's own id: one that was delivered twice is one",
            "workload_uid": "the incarnation",
            "number": "the revision number",
            "revision_uid": "uid of the ControllerRevision",
            "ticket": "the ticket they gave",
            "approver": "who they say approved it",
            "message": "what they wrote",
            "said_by": "who they say they are",
            "said_at": "when",
        },
    ),
}
