"""Pod templates by content: each distinct one is kept once, and asked for by its id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from consumers.facts import template_facts
from ledger.canonical import from_bytes
from ledger.diff import Change, diff
from ledger.store import Ledger

CACHED_TEMPLATES = 2_000


@dataclass(slots=True)
class Templates:
    """The `templates` table, with the ones used lately at hand."""

    ledger: Ledger
    _ids: dict[str, int] = field(default_factory=dict)
    _loaded: dict[int, dict[str, Any]] = field(default_factory=dict)

    def id_of(self, template: Mapping[str, Any]) -> int:
        """The id of a template in normal form; it is kept when it was not yet."""
        facts = template_facts(template)
        if facts.digest not in self._ids:
            row = self.ledger.row("fold/template_by_digest", {"digest": facts.digest})
            columns = {
                "digest": facts.digest,
                "template": facts.json,
                "images": facts.images,
                "redaction_key": facts.redaction_key,
            }
            self._ids[facts.digest] = row["id"] if row else self.ledger.add("templates", columns)
            bound(self._ids)
        return self._ids[facts.digest]

    def load(self, template_id: int) -> dict[str, Any]:
        """The template of an id."""
        if template_id not in self._loaded:
            row = self.ledger.row("fold/template", {"id": template_id})
            self._loaded[template_id] = from_bytes(row["template"].encode()) if row else {}
            bound(self._loaded)
        return self._loaded[template_id]

    def is_whole(self, template_id: int) -> bool:
        """True when nothing in the template was redacted."""
        row = self.ledger.row("fold/template", {"id": template_id})
        return row is not None and row["redaction_key"] is None

    def is_sealed(self, template_id: int) -> bool:
        """True when an original of the template was sealed."""
        return self.ledger.row("fold/is_sealed", {"id": template_id}) is not None

    def changes(self, old_id: int, new_id: int) -> tuple[Change, ...]:
        """The field-level difference of two templates."""
        return () if old_id == new_id else diff(self.load(old_id), self.load(new_id))

    def forget(self) -> None:
        """Drop what is cached: the transaction was rolled back, and ids with it."""
        self._ids.clear()
        self._loaded.clear()


def bound(cache: dict[Any, Any]) -> None:
    """Drop the oldest entries of a cache that has grown too large."""
    while len(cache) > CACHED_TEMPLATES:
        del cache[next(iter(cache))]
