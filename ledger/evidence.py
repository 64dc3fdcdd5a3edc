"""What is known of a change and of the requests that may have made it, and what follows from that.

Who is named for it, and on what basis, is for attribution.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ledger.diff import Change, Field

Basis = Literal["exact", "strong", "probable", "claimed"]
RANKS: dict[Basis, int] = {"exact": 0, "strong": 1, "probable": 2, "claimed": 3}

METADATA = "Metadata"
"""The audit level without bodies."""

BODIES = ("Request", "RequestResponse")
"""Those with the request's body, where it had one."""

REPLICAS = (Field("spec"), Field("replicas"))


@dataclass(frozen=True, slots=True)
class Action:
    """An audited request that succeeded and was no dry run. `uid` is empty and `version` None where
    the audit log did not hold the answer; `required_version` is the one it was to be written over;
    `touched` and `removed` are those of audit/paths.py.
    """

    position: int
    level: str
    user: str
    impersonated: str
    manager: str
    verb: str
    subresource: str
    uid: str
    version: int | None
    generation: int | None
    code: int
    received_at: str
    completed_at: str
    replicas: int | None
    apply: bool
    touched: tuple[str, ...]
    removed: tuple[str, ...]
    required_version: int | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A spec write: the first state seen of its generation, and the state before it.

    `managers` and `managers_before` are their managedFields; `changes` go from the object's root.
    """

    uid: str
    version: int
    generation: int
    observed_at: str
    position: int
    managers: Sequence[Any]
    replicas: int
    stamp: str | None = None
    before_generation: int | None = None
    before_stamp: str | None = None
    managers_before: Sequence[Any] = ()
    changes: tuple[Change, ...] = ()

    @property
    def metadata(self) -> dict[str, Any]:
        """As managed_fields.py reads it."""
        return {"managedFields": [*self.managers]}

    @property
    def metadata_before(self) -> dict[str, Any]:
        """That of the state before."""
        return {"managedFields": [*self.managers_before]}

    @property
    def is_adjacent(self) -> bool:
        """No other spec write lies between the two states."""
        return self.generation == 1 or self.before_generation == self.generation - 1

    @property
    def is_scale(self) -> bool:
        """Only the number of replicas differs."""
        return bool(self.changes) and all(c.segments == REPLICAS for c in self.changes)


@dataclass(frozen=True, slots=True)
class Ending:
    """The moment at which an object began to end: its first state with a deletionTimestamp, or its
    deletion where there was none (`version` is None).
    """

    uid: str
    version: int | None
    created_at: str
    observed_at: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason to name somebody: who, on what basis, and the record that says so."""

    source: Literal["audit", "stamp", "manager"]
    actor: str
    impersonated: str
    basis: Basis
    position: int
