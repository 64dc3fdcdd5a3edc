"""Ledgers as the web tests need them: asked by question, written by hand, opened in Datasette."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from ledger import sql
from ledger.reader import LocalReader
from ledger.store import Ledger
from ledger.web import build_datasette

TEMPLATE = '{"spec":{"containers":[{"image":"shop/web:1","name":"web"}]}}'


def ask(ledger: Path, question: str, columns: str, **parameters: str) -> list[tuple[Any, ...]]:
    """The named columns (separated by spaces) of a question's rows."""
    rows = LocalReader(ledger).query(question, parameters)
    return [tuple(row[column] for column in columns.split()) for row in rows]


@contextmanager
def opened(ledger: Path) -> Iterator[sqlite3.Connection]:
    """The file, read-only."""
    connection = sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()


@asynccontextmanager
async def served(ledger: Path) -> AsyncIterator[Any]:
    """Datasette on a ledger, closed again."""
    datasette = build_datasette(ledger)
    await datasette.invoke_startup()
    try:
        yield datasette
    finally:
        for database in datasette.databases.values():
            database.close()
        datasette.executor.shutdown()


def at(minute: int) -> str:
    """A time on the day that the hand-written ledgers are about."""
    return f"2026-11-01T10:{minute:02d}:00.000000Z"


def written(
    path: Path, revisions: Sequence[Mapping[str, Any]], *, deleted_minute: int | None = None
) -> Path:
    """A ledger of one workload, `shop/web`, with revisions written by hand.

    Template ids are those of images `shop/web:1`, `shop/web:2` …
    """
    with Ledger.open(path) as ledger, ledger.transaction():
        for image in range(1, 10):
            ledger.put("templates", [_template(image)])
        deleted_at = None if deleted_minute is None else at(deleted_minute)
        ledger.put("workloads", [_workload() | {"deleted_at": deleted_at}])
        for position, revision in enumerate(revisions):
            row = _revision(position) | dict(revision)
            ledger.put("revisions", [row])
            if row["trigger"] != "unseen":
                ledger.put("rollouts", [_rollout(row)])
        before = ledger.progress()
        now = {"next_position": len(revisions), "now": at(59)}
        ledger.put("progress", [_progress(before.cluster) | now])
    return path


def columns_of(connection: sqlite3.Connection, name: str) -> list[str]:
    """The columns of a table or view."""
    return [row[1] for row in connection.execute(f"pragma table_info({name})")]


def questions_with(*parameters: str) -> list[sql.Query]:
    """The questions that have all of these parameters."""
    return [each for each in sql.questions() if set(parameters) <= set(each.parameters)]


def _template(image: int) -> dict[str, Any]:
    return {
        "id": image,
        "digest": f"{image:064x}",
        "template": TEMPLATE.replace("web:1", f"web:{image}"),
        "images": f"web=shop/web:{image}",
    }


def _workload() -> dict[str, Any]:
    return {
        "uid": "11111111-0000-4000-8000-000000000000",
        "namespace": "shop",
        "name": "web",
        "label": "shop/web",
        "created_at": at(0),
        "first_seen_at": at(0),
        "generation": 1,
        "observed_generation": 1,
        "replicas": 3,
        "strategy": "RollingUpdate",
        "update_partition": 0,
        "history_limit": 10,
        "current_revision": "",
        "update_revision": "",
        "settled": 1,
        "labels": "{}",
        "selector": "{}",
    }


def _revision(position: int) -> dict[str, Any]:
    number = position + 1
    return {
        "workload_uid": "11111111-0000-4000-8000-000000000000",
        "revision_uid": f"22222222-0000-4000-8000-{number:012d}",
        "number": number,
        "label": str(number),
        "name": f"web-{number}",
        "template_id": number,
        "trigger": "change",
        "previous": number - 1 or None,
        "summary": "image changed",
        "change_cause_state": "none",
        "observed_at": at(number),
        "restorable": 1,
        "restorable_why": "recorded",
        "live": 1,
        "position": position,
    }


def _rollout(revision: Mapping[str, Any]) -> dict[str, Any]:
    same = ("workload_uid", "revision_uid", "number", "label", "name")
    phase = "unobserved" if revision["trigger"] == "found" else "complete"
    return {name: revision[name] for name in same} | {"from_name": "", "phase": phase, "trap": 0}


def _progress(cluster: str) -> dict[str, Any]:
    return {"id": 1, "cluster": cluster, "tree_size": 0, "frontier": b""}
