"""Specs of StatefulSets without their pod template, by content: each distinct one is kept once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from consumers.templates import bound
from ledger.canonical import digest, to_bytes
from ledger.store import Ledger


@dataclass(slots=True)
class Specs:
    """The `specs` table."""

    ledger: Ledger
    _ids: dict[str, int] = field(default_factory=dict)

    def id_of(self, spec: Mapping[str, Any]) -> int:
        """The id of a spec without its template; it is kept when it was not yet."""
        key = digest(spec)
        if key not in self._ids:
            row = self.ledger.row("fold/spec_by_digest", {"digest": key})
            columns = {"digest": key, "spec": to_bytes(spec).decode()}
            self._ids[key] = row["id"] if row else self.ledger.add("specs", columns)
            bound(self._ids)
        return self._ids[key]

    def forget(self) -> None:
        """Drop what is cached: the transaction was rolled back, and ids with it."""
        self._ids.clear()
