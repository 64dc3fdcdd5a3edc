"""What is wrong with this installation, each finding with its remedy.

Looks only: nothing is created, changed or sent anywhere but the questions themselves.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from ledger.disk import (
    NEEDS_LOCAL_DISK,
    SQLITE_REMEDY,
    free_bytes,
    mounted,
    sqlite_warning,
)
from ledger.errors import LedgerError
from ledger.keys import KeyRing
from ledger.model import KINDS, NOWHERE
from ledger.reader import LocalReader, Rows
from ledger.revision_hash import name_hash
from ledger.sealing import holds_identity
from ledger.settings import Settings
from ledger.troubles import checked

State = Literal["ok", "warning", "failed"]

DISK_WARNING_BYTES = 2 * 1024**3
SKEW_WARNING_SECONDS = 5.0
EXAMINED_REVISIONS = 5_000
"""So many names of revisions are checked, the newest; each takes a fraction of a millisecond."""

EXAMINED_FILES = 10_000
"""So many files are looked into for an identity; an installation has a dozen."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing examined: how it stands and, unless it is well, what to do."""

    check: str
    state: State
    detail: str
    remedy: str = ""


Check = Callable[[Settings], Iterator[Finding]]


async def examine(
    settings: Settings, *, kubeconfig: str | None, context: str | None
) -> list[Finding]:
    """Every finding, in the order a new installation would meet them. Raises nothing a user can
    cause.
    """
    findings = [finding for check in LOCAL_CHECKS for finding in _guarded(check, settings)]
    findings += [finding async for finding in _log(settings)]
    findings += [finding async for finding in _cluster(settings, kubeconfig, context)]
    return findings


def _guarded(check: Check, settings: Settings) -> list[Finding]:
    try:
        return list(check(settings))
    except LedgerError as wrong:
        name = check.__name__.strip("_").replace("_", " ")
        return [Finding(name, "failed", wrong.message, wrong.hint)]


def _data_folder(settings: Settings) -> Iterator[Finding]:
    folder = settings.data
    if not folder.exists():
        yield Finding(
            "data folder",
            "warning",
            f"{folder} does not exist yet",
            "`rollout-ledger serve` makes it; choose another with --data",
        )
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            "data folder",
            "failed",
            f"{folder} cannot be written to",
            "run as the user who owns it, or choose another with --data",
        )
    else:
        yield Finding("data folder", "ok", str(folder))


def _disk(settings: Settings) -> Iterator[Finding]:
    free = free_bytes(settings.data)
    state: State = "ok" if free >= DISK_WARNING_BYTES else "warning"
    remedy = "" if state == "ok" else "make room: on a full disk recording and folding wait"
    yield Finding("disk", state, f"{free / 1024**3:.1f} GiB free for {settings.data}", remedy)
    for path in dict.fromkeys((settings.log_file.parent, settings.ledger_path.parent)):
        if (found := mounted(path)).is_network:
            detail = f"{path} is on a network file system, {found.kind}"
            yield Finding("file system", "failed", detail, NEEDS_LOCAL_DISK)


def _sqlite(_settings: Settings) -> Iterator[Finding]:
    if why := sqlite_warning():
        yield Finding("SQLite", "warning", why, SQLITE_REMEDY)
    else:
        yield Finding("SQLite", "ok", sqlite3.sqlite_version)


def _keys(settings: Settings) -> Iterator[Finding]:
    if not settings.keys.exists():
        yield Finding(
            "keys",
            "warning",
            f"no keys in {settings.keys} yet",
            "`rollout-ledger watch` or `serve` makes them on first start",
        )
        return
    ring = KeyRing.open(settings.keys)
    retired = f", {len(ring.retired)} retired" if ring.retired else ""
    yield Finding("keys", "ok", f"redaction key {ring.current.id}{retired}")


def _ledger(settings: Settings) -> Iterator[Finding]:
    path = settings.ledger_path
    if not path.exists():
        yield Finding(
            "ledger", "warning", f"none at {path} yet", "`rollout-ledger consume` folds one"
        )
        return
    reader = LocalReader(path)
    streams = reader.query("freshness", {})
    position = streams[0]["position"] if streams else NOWHERE
    yield Finding("ledger", "ok", f"{path}, folded up to position {position}")
    yield from _integrity(path)
    for policy in {stream["redaction_policy"] for stream in streams} & {"off"}:
        yield Finding(
            "redaction",
            "warning",
            f"policy {policy}: secrets are recorded as they are",
            "restart the watcher with --redaction secrets",
        )
    yield from _sealing(reader, streams)
    yield from _names(reader)
    skews = [stream["skew_seconds"] for stream in streams if stream["skew_seconds"] is not None]
    skew_seconds = max(skews, key=abs, default=0.0)
    if abs(skew_seconds) > SKEW_WARNING_SECONDS:
        yield Finding(
            "clock",
            "warning",
            f"the API server's clock is {skew_seconds:+.1f} s from the watcher's",
            "set both by NTP; order is not affected, times in the history are the watcher's",
        )
    withheld = reader.query("withheld_count", {})[0]["states"]
    if withheld:
        yield Finding(
            "redaction",
            "warning",
            f"the content of {withheld} states could not be examined for secrets and was withheld",
            "`rollout-ledger gaps` and the table withheld name them; tell us about such an object",
        )
    rejects = reader.query("reject_count", {})[0]["rejects"]
    if rejects:
        yield Finding(
            "rejects",
            "warning",
            f"{rejects} records could not be read",
            "see the table rejects for their positions and reasons",
        )


def _names(reader: LocalReader) -> Iterator[Finding]:
    asked = {"limit": str(EXAMINED_REVISIONS), "offset": ""}
    rows = reader.query("whole_revisions", asked)
    found = [
        f"{row['namespace']}/{row['workload']} {row['label']}, {row['name']}"
        for row in rows
        if name_hash(row["name"], json.loads(row["template"]), row["collision_count"]) == "differs"
    ]
    if found:
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        yield Finding(
            "revisions",
            "warning",
            "the hash in the name is not that of the template, so somebody made the revision by "
            f"hand or damaged it: {'; '.join(found[:3])}{more}",
            "`rollout-ledger show sts/NAME --revision N` says what is recorded of it; find out who "
            "may write ControllerRevisions",
        )


def _identities(settings: Settings) -> Iterator[Finding]:
    beside = [settings.log_file.parent.glob("*"), settings.ledger_path.parent.glob("*")]
    files = islice(chain(settings.data.rglob("*"), *beside), EXAMINED_FILES)
    for path in filter(holds_identity, dict.fromkeys(files)):
        yield Finding(
            "age identity",
            "failed",
            f"{path} opens sealed originals, and lies beside them",
            "move it to the machine of whoever runs undo, or into a password store; if others "
            "could read it, make a new one and rotate the secrets: docs/originals.md",
        )


def _sealing(reader: LocalReader, streams: Rows) -> Iterator[Finding]:
    [found] = reader.query("unrestorable_count", {})
    keys = sorted({stream["sealing_key"] for stream in streams} - {None})
    lost = f"{found['revisions']} revisions cannot be restored"
    if keys:
        yield Finding("originals", "ok", f"sealed to {', '.join(keys)}; {lost}")
    elif not found["redacted_templates"]:
        yield Finding("originals", "ok", "not sealed; nothing was hidden in any pod template")
    else:
        yield Finding(
            "originals",
            "warning",
            "not sealed: a pod template with secrets cannot be restored once Kubernetes has "
            f"pruned its revision; {lost}",
            "record with --seal-to: docs/originals.md",
        )


def _integrity(path: Path) -> Iterator[Finding]:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        found = checked(connection, "integrity_check")
    finally:
        connection.close()
    if found != "ok":
        yield Finding(
            "ledger",
            "failed",
            f"{path} is damaged: {found}",
            "stop the consumer and run `rollout-ledger rebuild`",
        )


LOCAL_CHECKS: tuple[Check, ...] = (_data_folder, _disk, _sqlite, _keys, _identities, _ledger)


async def _log(settings: Settings) -> AsyncIterator[Finding]:
    from ledger.log import open_log

    if not settings.log.startswith("kafka:") and not settings.log_file.exists():
        yield Finding(
            "log",
            "warning",
            f"none at {settings.log_file} yet",
            "`rollout-ledger watch` or `serve` makes it",
        )
        return
    try:
        log = await open_log(settings.log_address)
        try:
            head = await log.head()
        finally:
            await log.close()
        yield Finding("log", "ok", f"{settings.log_address}, head at position {head}")
    except LedgerError as wrong:
        yield Finding("log", "failed", wrong.message, wrong.hint)


async def _cluster(
    settings: Settings, kubeconfig: str | None, context: str | None
) -> AsyncIterator[Finding]:
    from ledger.cluster import Cluster

    try:
        cluster = await Cluster.connect(kubeconfig, context)
    except LedgerError as wrong:
        yield Finding("cluster", "failed", wrong.message, wrong.hint)
        return
    try:
        yield Finding("cluster", "ok", f"cluster {await cluster.identity()}")
        async for finding in _rights(cluster.allowed):
            yield finding
    except LedgerError as wrong:
        yield Finding("cluster", "failed", wrong.message, wrong.hint)
    finally:
        await cluster.close()


async def _rights(
    allowed: Callable[[str, str, str], Awaitable[bool]],
) -> AsyncIterator[Finding]:
    for kind in KINDS:
        missing = [
            verb for verb in ("list", "watch") if not await allowed(verb, kind.group, kind.plural)
        ]
        if missing:
            yield Finding(
                f"rights on {kind.plural}",
                "failed",
                f"may not {' or '.join(missing)} {kind.plural}",
                "apply compose/kubernetes/rbac.yaml and use its service account",
            )
        else:
            yield Finding(f"rights on {kind.plural}", "ok", "may list and watch")
