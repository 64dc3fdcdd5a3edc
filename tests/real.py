"""What the rows on real parts share: an installation watching a real cluster, what it missed, and
whether a gap says so.
"""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tests.invariants import examine
from tests.lab.control_plane import ControlPlane
from tests.lab.driver import Driver
from tests.lab.random_scenario import BASE
from tests.lab.workloads import Workload
from tests.line import Line

CANARY = f"CANARY-{secrets.token_hex(8)}"
"""A password in every template here; no record and no ledger may hold it."""

WEB: Workload = replace(BASE, env={"DB_PASSWORD": CANARY})


class State(NamedTuple):
    """One state of one object, as anybody may have seen it."""

    kind: str
    uid: str
    version: int


def end(line: Line) -> None:
    """Stop the line's processes, which ran until now, fold what is left and look at it all."""
    assert [line.stop("watch"), line.stop("consume")] == [0, 0]
    look_over(line)


def look_over(line: Line) -> None:
    """Fold what is left of a line that was stopped, and examine its log and ledger."""
    line.run("consume", "--once", *(["--log", line.log] if line.log else []))
    examine(line.data / "log" / "log.db", line.ledger, secrets=[CANARY])


def share_keys(lines: Iterable[Line]) -> None:
    """Give every line the keys of the first, so that equal states are equal records."""
    first, *others = lines
    first.make_keys()
    for other in others:
        shutil.copytree(first.data / "keys", other.data / "keys")


def ask(line: Line, question: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows of a question to the line's ledger."""
    return answer(line.ledger, question, *values)


def answer(ledger: Path, question: str, *values: object) -> list[tuple[Any, ...]]:
    """The rows of a question to a ledger."""
    connection = sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(question, values).fetchall()
    finally:
        connection.close()


def causes(line: Line) -> dict[str, set[str]]:
    """Why anything was missed, with the kinds of the streams that missed it."""
    found: dict[str, set[str]] = {}
    for cause, kind in ask(line, "select cause, kind from gaps"):
        found.setdefault(cause, set()).add(kind)
    return found


def states(line: Line, namespace: str) -> set[State]:
    """Every state of the namespace's objects that a ledger holds."""
    rows = ask(
        line,
        "select objects.kind, uid, observations.resource_version"
        " from observations join objects on objects.id = object_id"
        " where namespace = ? and objects.kind <> 'events'",
        namespace,
    )
    return {State(*row) for row in rows}


def missed_in_silence(line: Line, wanted: Iterable[State], namespace: str) -> list[State]:
    """The states that a ledger neither holds nor admits to have missed."""
    found = states(line, namespace)
    gaps = ask(line, "select kind, last_version, next_version from gaps where closed_at not null")
    return [
        state
        for state in sorted(wanted)
        if state not in found
        and not any(
            kind == state.kind and (last or 0) <= state.version <= following
            for kind, last, following in gaps
        )
    ]


def written(plane: ControlPlane, namespace: str) -> set[State]:
    """Every state of a StatefulSet that the API server's audit log says was written."""
    events = (json.loads(raw) for raw in plane.audit_log.read_text().splitlines())
    return {_written(event) for event in events if _is_write(event, namespace)}


def _is_write(event: Mapping[str, Any], namespace: str) -> bool:
    where = event.get("objectRef", {})
    return bool(
        where.get("resource") == "statefulsets"
        and where.get("namespace") == namespace
        and event["verb"] in ("create", "update", "patch")
        and event.get("responseStatus", {}).get("code") in (200, 201)
        and event.get("responseObject", {}).get("kind") in ("StatefulSet", "Scale")
    )


def _written(event: Mapping[str, Any]) -> State:
    metadata = event["responseObject"]["metadata"]
    return State("statefulsets", metadata["uid"], int(metadata["resourceVersion"]))


def check_as_kubectl(driver: Driver, line: Line, name: str) -> None:
    """`history -o kubectl` is what `kubectl rollout history` says, byte for byte."""
    oracle = driver.history_command(name)
    told = line.attempt("history", f"sts/{name}", "-n", driver.namespace, "-o", "kubectl")
    assert (told.returncode, told.stdout) == (oracle.exit, oracle.stdout)
