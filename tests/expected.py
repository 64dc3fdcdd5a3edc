"""What the ledger should say of each revision, from what people ran and what the API then held.

Knows nothing of the product: triggers follow from the driver's own record of commands and from the
ControllerRevisions that the cluster had: all that were ever written, from the API server's audit
log, or, of a cluster whose audit log is not ours to read, those that were there at rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.lab.control_plane import ControlPlane
from tests.lab.driver import Command, Driver

RESTARTED = "kubectl.kubernetes.io/restartedAt"
Key = tuple[str, str, int]
"""(uid of the StatefulSet, uid of the ControllerRevision, number)."""


@dataclass(frozen=True)
class Expectation:
    """The triggers that would be right, and the origin where it is known for sure."""

    triggers: frozenset[str]
    undo_of: int | None = None
    step: str = ""


@dataclass
class Expected:
    """Grows by one look at the cluster after each step."""

    entries: dict[Key, Expectation] = field(default_factory=dict)
    _templates: dict[Key, Any] = field(default_factory=dict)
    _audit_offset: int = 0

    def look(self, driver: Driver, step: str) -> None:
        """Take down the revisions that appeared since the last look, and why they must have."""
        commands = [command for command in driver.commands if command.step == step]
        for raw_revision in self._revisions(driver):
            key = _key(raw_revision)
            if key is not None and key not in self.entries:
                template = raw_revision["data"]["spec"]["template"]
                self.entries[key] = self._expect(key, template, commands, step)
                self._templates[key] = template

    def _revisions(self, driver: Driver) -> list[dict[str, Any]]:
        if not isinstance(driver.cluster, ControlPlane):
            found = driver.snapshot().raw["controllerrevisions"]
            return sorted(found, key=lambda raw: int(raw["revision"]))
        with driver.cluster.audit_log.open("rb") as log:
            log.seek(self._audit_offset)
            lines = [line for line in log.readlines() if line.endswith(b"\n")]
        self._audit_offset += sum(map(len, lines))
        events = [json.loads(line) for line in lines if b'"controllerrevisions"' in line]
        return [event["responseObject"] for event in events if _is_write(event, driver.namespace)]

    def _expect(self, key: Key, template: Any, commands: list[Command], step: str) -> Expectation:
        owner, uid, number = key
        if any((u, n) == (uid, number) and o != owner for o, u, n in self.entries):
            return Expectation(frozenset({"adopted"}), step=step)
        lower = {n: t for (o, _, n), t in self._templates.items() if o == owner and n < number}
        if any((o, n) == (owner, number) for o, _, n in self.entries):
            return Expectation(frozenset({"platform"}), step=step)
        if not lower:
            return Expectation(frozenset({"create"}), step=step)
        same = max((n for n, known in lower.items() if known == template), default=None)
        if same is not None:
            return self._back(lower, number, same, template, commands, step)
        if _plain(lower[max(lower)]) == _plain(template):
            return Expectation(frozenset({"restart"}), step=step)
        triggers = {"change"}
        if not _is_complete(lower, number):
            # A number that came and went between two looks may have held the same template.
            triggers |= {"undo", "return"}
        return Expectation(frozenset(triggers), step=step)

    def _back(
        self,
        lower: Mapping[int, Any],
        number: int,
        same: int,
        template: Any,
        commands: list[Command],
        step: str,
    ) -> Expectation:
        undone = any("undo" in command.argv and not command.exit for command in commands)
        known = number - 1 in lower
        triggers = {"undo"} if undone else {"return"}
        if undone and (not known or _only_removes(lower[number - 1], template)):
            # A field that was removed has no owner afterwards: nothing tells kubectl's undo from
            # somebody who took it away by hand, so the weaker word is right too.
            triggers.add("return")
        origin = same if _is_complete(lower, number) else None
        return Expectation(frozenset(triggers), origin, step)

    def differences(self, items: list[dict[str, Any]]) -> list[str]:
        """What the history's rows say otherwise, in words; empty when all is right."""
        rows = {(row["workload_uid"], row["revision_uid"], row["number"]): row for row in items}
        wrong = [
            f"{expected.step}: revision {key[2]} is missing"
            for key, expected in self.entries.items()
            if key not in rows
        ]
        for key, expected in self.entries.items():
            row = rows.get(key)
            if row is None:
                continue
            if row["trigger"] not in expected.triggers:
                wrong.append(
                    f"{expected.step}: {key[2]} is {row['trigger']}, not {set(expected.triggers)}"
                )
            if expected.undo_of is not None and row["undo_of"] != expected.undo_of:
                wrong.append(
                    f"{expected.step}: {key[2]} came from {row['undo_of']}, not {expected.undo_of}"
                )
        wrong += [f"{row['label']} is unseen" for row in items if row["trigger"] == "unseen"]
        return wrong


def _is_write(event: Mapping[str, Any], namespace: str) -> bool:
    """Whether an audit event left a ControllerRevision behind in the namespace."""
    return bool(
        event["objectRef"]["namespace"] == namespace
        and event["verb"] in ("create", "update", "patch")
        and event["responseStatus"]["code"] in (200, 201)
        and event.get("responseObject", {}).get("kind") == "ControllerRevision"
    )


def _key(raw_revision: Mapping[str, Any]) -> Key | None:
    metadata = raw_revision["metadata"]
    owners = [o["uid"] for o in metadata.get("ownerReferences", []) if o.get("controller")]
    return (owners[0], metadata["uid"], raw_revision["revision"]) if owners else None


def _is_complete(lower: Mapping[int, Any], number: int) -> bool:
    """Whether every number of the incarnation below this one was seen."""
    return set(range(min(lower), number)) <= set(lower)


def _plain(template: Any) -> Any:
    """The template without what `kubectl rollout restart` writes."""
    metadata = dict(template.get("metadata") or {})
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != RESTARTED}
    metadata["annotations"] = annotations
    return {**template, "metadata": metadata}


def _only_removes(old: Any, new: Any) -> bool:
    """True when everything in `new` stands in `old` already."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(name in old and _only_removes(old[name], new[name]) for name in new)
    if isinstance(old, list) and isinstance(new, list):
        return all(any(_only_removes(before, item) for before in old) for item in new)
    return bool(old == new)
