"""What the audit log says: a row for each finished request to write an object of a kind we keep.

The same request may come several times, from two watchers or from a file and a webhook; of its
records the one that tells most stands, whichever came first, and as imported only if all were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from consumers.projection import Observed, Touched
from ledger.canonical import to_bytes
from ledger.errors import PoisonRecord
from ledger.model import respelt
from ledger.store import Ledger

LEVELS = ("Metadata", "Request", "RequestResponse")


LEFT_OUT = "/*"
"""Among a request's paths: some were left out, and may be any."""

_Number = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
"""Any number that the ledger can hold."""


class _Deleted(msgspec.Struct):
    uid: str
    version: int | None = None


class _Action(msgspec.Struct, rename="camel"):
    verb: str
    stage: str
    user: str
    kind: str
    received: str
    completed: str
    level: str = ""
    impersonated: str = ""
    agent: str = ""
    addresses: list[str] = []
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    version: int | None = None
    generation: _Number | None = None
    code: _Number = 0
    dry_run: bool = False
    manager: str = ""
    replicas: _Number | None = None
    apply: bool = False
    cut: bool = False
    request_version: int | None = None
    touched: list[str] = []
    removed: list[str] = []
    deleted: list[_Deleted] = []
    imported: str = ""


@dataclass(slots=True)
class Actions:
    """Writes `actions` and `deleted_together`."""

    ledger: Ledger
    touched: Touched

    def apply(self, observed: Observed) -> None:
        """Take in an audit record. Raises PoisonRecord for what is none."""
        if observed.fact != "audit":
            return
        try:
            action = msgspec.convert(observed.document.data, _Action)
            versions = {
                "resource_version": observed.document.version(action.version),
                "required_version": observed.document.version(action.request_version),
            }
            deleted = [(d.uid, observed.document.version(d.version)) for d in action.deleted]
            action.received, action.completed = map(respelt, (action.received, action.completed))
        except (msgspec.ValidationError, ValueError) as wrong:
            raise PoisonRecord(f"not an audit record: {wrong}") from None
        row = _row(observed, action) | versions
        known = self.ledger.row("fold/same_action", row)
        if known is not None:
            if known["position"] == row["position"]:
                return
            if _tells(known) >= _tells(row):
                if not row["imported"]:
                    self.ledger.run("fold/told_live", {"position": known["position"]})
                return
            row["imported"] = known["imported"] and row["imported"]
            self.ledger.run("fold/drop_deleted_together", {"position": known["position"]})
            self.ledger.run("fold/drop_action", {"position": known["position"]})
            # What rested on it may rest on it no more.
            self.touched.actions.append(dict(known))
        self.ledger.put("actions", [row])
        for uid, deleted_version in deleted:
            together = {"uid": uid, "resource_version": deleted_version}
            self.ledger.put("deleted_together", [{"position": observed.position} | together])
        self.touched.actions.append(row)

    def settle(self) -> None:
        """Nothing is derived here."""

    def forget(self) -> None:
        """Nothing is cached."""


def _tells(row: Any) -> tuple[bool, int]:
    """How much a record of a request tells: a webhook may have cut its bodies off."""
    level = str(row["level"])
    return row["resource_version"] is not None, LEVELS.index(level) if level in LEVELS else -1


def _row(observed: Observed, action: _Action) -> dict[str, Any]:
    audit_id, _, _ = observed.document.id.rpartition("/")
    same = ("stage", "level", "verb", "kind", "subresource", "namespace", "name", "uid")
    more = ("generation", "code", "user", "impersonated", "agent", "manager", "replicas")
    told = {name: getattr(action, name) for name in (*same, *more, "imported")}
    lists = {
        "addresses": action.addresses,
        "touched": [*action.touched, *([LEFT_OUT] if action.cut else [])],
        "removed": action.removed,
    }
    # Where no answer tells it, the uid is what the client wrote into what it asked to create.
    is_chosen = action.verb == "create" and action.version is None
    told["uid"] = "" if is_chosen else action.uid
    return (
        {"position": observed.position, "audit_id": audit_id}
        | told
        | {name: to_bytes(each).decode() for name, each in lists.items()}
        | {
            "apply": int(action.apply),
            "dry_run": int(action.dry_run),
            "received_at": action.received,
            "completed_at": action.completed,
        }
    )
