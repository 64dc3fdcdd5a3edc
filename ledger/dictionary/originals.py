"""What the table of sealed originals means."""

from __future__ import annotations

from ledger.dictionary.entry import Entry

ORIGINALS: dict[str, Entry] = {
    "sealed": Entry(
        "The original of a pod template, encrypted: where in the log it is. What it holds is not"
        " here.",
        {
            "position": "the record",
            "template_digest": "the recorded template whose original it is",
            "key_id": "names the set of recipients it is sealed to",
            "recipients": "how many recipients that are",
            "sealed_at": "when the watcher sealed it",
        },
        facets=("key_id",),
        sort_desc="position",
    ),
}
