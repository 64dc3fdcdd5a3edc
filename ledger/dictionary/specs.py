"""What the tables of specs and their changes mean."""

from __future__ import annotations

from ledger.dictionary.entry import Entry

SPECS: dict[str, Entry] = {
    "specs": Entry(
        "One distinct spec of a StatefulSet, without its pod template.",
        {
            "id": "its id",
            "digest": "SHA-256 of its canonical JSON",
            "spec": "the spec without its template, JSON",
        },
        label_column="digest",
    ),
    "spec_changes": Entry(
        "A change of a StatefulSet that made no revision: anything in its spec outside the pod"
        " template, or a template that was replaced before the controller looked.",
        {
            "workload_uid": "the incarnation",
            "generation": "the generation that has it",
            "field": "the path of the field in the spec; template for a pod template",
            "old": "the value before, JSON (of a template its digest); null where there was none",
            "new": "the value since, JSON (of a template its digest); null where it is gone",
            "summary": "the change in a few words",
            "after_generation": "the generation it is compared with, one less unless writes in"
            " between were not seen; null for the last one of the incarnation before",
            "observed_at": "when it was seen",
            "position": "the record it was seen in",
        },
        sort_desc="observed_at",
    ),
}
