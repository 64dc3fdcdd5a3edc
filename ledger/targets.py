"""What a command is about: StatefulSets by name, as people write them for kubectl."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ledger.errors import NotRecorded, UsageError
from ledger.reader import LedgerReader

KINDS = ("sts", "statefulset", "statefulsets", "statefulset.apps", "statefulsets.apps")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look: a namespace ("" for all) and a label selector ("" for any)."""

    namespace: str = "default"
    selector: str = ""


def names_of(words: Sequence[str]) -> list[str]:
    """The names in `sts/web`, `statefulset web db`, `web`; empty for none.

    Raises UsageError for another kind.
    """
    if words and words[0].lower() in KINDS and not any("/" in word for word in words):
        return list(words[1:])
    return [_name(word) for word in words]


def find(reader: LedgerReader, words: Sequence[str], scope: Scope) -> list[dict[str, Any]]:
    """The newest incarnation of each workload that is meant, by namespace and name; `web~0ec3`
    means the incarnation whose uid begins so.

    Raises NotRecorded for a name that the ledger does not hold, with a hint where it does.
    """
    rows = reader.query("incarnations", {"namespace": scope.namespace})
    matching = [row for row in rows if matches(row["labels"], scope.selector)]
    newest = {row["uid"] for row in _newest(rows)}
    names = names_of(words)
    if not names:
        return [row for row in matching if row["uid"] in newest]
    for name in names:
        if not any(_is_meant(row, name, newest) for row in matching):
            raise _not_recorded(reader, name, scope)
    return [row for row in matching if any(_is_meant(row, name, newest) for name in names)]


def find_at(
    reader: LedgerReader, words: Sequence[str], scope: Scope, at: str
) -> list[dict[str, Any]]:
    """The incarnation of each workload that was the newest at a time.

    Raises NotRecorded for a name that was not there yet; where none is given, such are left out.
    """
    found = []
    for newest in find(reader, words, scope):
        there = born_by(reader, newest, at)
        if not there and words:
            raise NotRecorded(
                f"{newest['namespace']}/{newest['name']} is not known to have been there at {at}",
                hint=f"it was first seen at {_born_at(incarnations(reader, newest)[-1])}",
            )
        found += there[:1]
    return found


def incarnations(reader: LedgerReader, workload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every incarnation of a workload's name, newest first."""
    return reader.query(
        "incarnations", {"namespace": workload["namespace"], "name": workload["name"]}
    )


def born_by(reader: LedgerReader, workload: Mapping[str, Any], at: str) -> list[dict[str, Any]]:
    """The incarnations of a workload's name that had been made by a time, newest first."""
    return [row for row in incarnations(reader, workload) if _born_at(row) <= at]


def _born_at(workload: Mapping[str, Any]) -> str:
    return str(workload["created_at"] or workload["first_seen_at"])


def matches(labels: str, selector: str) -> bool:
    """Whether labels (JSON) satisfy `key=value`, `key!=value`, `key`, `!key`, between commas."""
    have = json.loads(labels)
    return all(_holds(have, term.strip()) for term in selector.split(",") if term.strip())


def _holds(have: Mapping[str, str], term: str) -> bool:
    if "!=" in term:
        key, _, value = term.partition("!=")
        return have.get(key.strip()) != value.strip()
    if "=" in term:
        key, _, value = term.replace("==", "=").partition("=")
        return have.get(key.strip()) == value.strip()
    return term[1:] not in have if term.startswith("!") else term in have


def _is_meant(row: Mapping[str, Any], word: str, newest: Collection[str]) -> bool:
    name, tilde, uid = word.partition("~")
    if row["name"] != name:
        return False
    return str(row["uid"]).startswith(uid) if tilde and uid else not tilde and row["uid"] in newest


def _name(word: str) -> str:
    kind, slash, name = word.partition("/")
    if not slash:
        return word
    if kind.lower() not in KINDS:
        raise UsageError(
            f'the ledger holds no resource type "{kind}"',
            hint=f"StatefulSets only: sts/{name}",
        )
    return name


def _newest(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    followed = {row["predecessor"] for row in rows}
    return [row for row in rows if row["uid"] not in followed]


def _not_recorded(reader: LedgerReader, name: str, scope: Scope) -> NotRecorded:
    if "~" in name:
        return _no_incarnation(reader, name, scope)
    everywhere = _newest(reader.query("incarnations", {}))
    elsewhere = sorted({row["namespace"] for row in everywhere if row["name"] == name})
    known = {row["name"] for row in everywhere if scope.namespace in ("", row["namespace"])}
    near = difflib.get_close_matches(name, sorted(known), n=1)
    if elsewhere and scope.namespace not in elsewhere:
        hint = f"it is recorded in namespace {', '.join(elsewhere)}: -n {elsewhere[0]}"
    elif near:
        hint = f"did you mean sts/{near[0]}?"
    else:
        hint = "rollout-ledger history -A lists everything that is recorded"
    return NotRecorded(f'statefulsets.apps "{name}" not found in the ledger', hint=hint)


def _no_incarnation(reader: LedgerReader, word: str, scope: Scope) -> NotRecorded:
    name = word.partition("~")[0]
    rows = reader.query("incarnations", {"namespace": scope.namespace, "name": name})
    known = ", ".join(f"{name}~{row['uid'][:4]}" for row in rows)
    hint = f"its incarnations are {known}" if known else "rollout-ledger history -A lists what is"
    return NotRecorded(f'statefulsets.apps "{word}" not found in the ledger', hint=hint)
