"""`rollouts`: what became of every revision, and one rollout ordinal by ordinal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import NotRecorded, UsageError
from ledger.reader import LedgerReader
from ledger.targets import Scope, find

_ID = re.compile(r"(?:(?P<namespace>[^/]+)/)?(?P<name>[^/]+)/(?P<label>[0-9]+(?:~[0-9a-f]+)?)")
_KINDS = re.compile(r"(?:sts|statefulsets?(?:\.apps)?)/", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Timeline:
    """One rollout (a row of queries/rollout_history.sql), the pods made for it
    (queries/rollout_pods.sql), and what is usual for its workload (queries/rollout_times.sql; None
    where none was timed).
    """

    rollout: Mapping[str, Any]
    pods: list[dict[str, Any]]
    usual: Mapping[str, Any] | None

    @property
    def slowest(self) -> Mapping[str, Any] | None:
        """The pod that took longest to become ready; None when none did."""
        timed = [pod for pod in self.pods if pod["took_seconds"] is not None]
        return max(timed, key=lambda pod: float(pod["took_seconds"]), default=None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rollouts; empty fields do not narrow."""

    phase: str = ""
    since: str = ""
    until: str = ""
    limit: int = 0


def rollout_id(word: str) -> tuple[str, str, str] | None:
    """(namespace or "", name, label) of `shop/web/7`, `web/7` or `sts/web/7`; None for what is no
    rollout's id.
    """
    found = _ID.fullmatch(_KINDS.sub("", word, count=1))
    return (found["namespace"] or "", found["name"], found["label"]) if found else None


def rollouts(
    reader: LedgerReader, words: Sequence[str], scope: Scope, wanted: Wanted
) -> list[dict[str, Any]]:
    """The rollouts of the workloads meant, newest first. Raises NotRecorded, UsageError."""
    asked = {"phase": wanted.phase, "since": wanted.since, "until": wanted.until}
    if not words and not scope.selector:
        rows = reader.query("rollout_history", asked | {"namespace": scope.namespace})
    else:
        chosen = find(reader, words, scope)
        rows = [
            row
            for workload in chosen
            for row in reader.query("rollout_history", asked | {"workload_uid": workload["uid"]})
        ]
    return rows[: wanted.limit] if wanted.limit else rows


def timeline(reader: LedgerReader, word: str, scope: Scope) -> Timeline:
    """The timeline of the rollout with this id, of the newest incarnation unless the id names an
    older one (`shop/web~1a2b/3`).

    Raises NotRecorded for a rollout that is not there, UsageError for a number that was used twice.
    """
    told = rollout_id(word)
    if told is None:
        raise UsageError(f"{word!r} is not the id of a rollout", hint="such as shop/web/7 or web/7")
    namespace, name, label = told
    rows = _matching(reader, namespace or scope.namespace, name, label)
    if not rows:
        raise NotRecorded(
            f"rollout {word} was never recorded",
            hint=f"rollout-ledger rollouts sts/{name} -n {namespace or scope.namespace} "
            "lists those that were",
        )
    if len(rows) > 1:
        named = ", ".join(str(row["id"]) for row in rows)
        raise UsageError(f"rollout {word} may be one of {len(rows)}", hint=f"say which: {named}")
    row = rows[0]
    key = {"workload_uid": row["workload_uid"], "number": str(row["number"])}
    pods = reader.query("rollout_pods", key)
    usual = reader.query("rollout_times", {"namespace": row["namespace"], "name": row["workload"]})
    return Timeline(row, pods, usual[0] if usual else None)


def _matching(reader: LedgerReader, namespace: str, name: str, label: str) -> list[dict[str, Any]]:
    plain, _, incarnation = name.partition("~")
    rows = reader.query("rollout_history", {"namespace": namespace, "name": plain, "label": label})
    if incarnation:
        return [row for row in rows if str(row["workload_uid"]).startswith(incarnation)]
    newest = find(reader, [plain], Scope(namespace)) if rows else []
    uids = {workload["uid"] for workload in newest}
    return [row for row in rows if row["workload_uid"] in uids]
