"""Questions live in queries/*.sql, one `select` a file; this reads them and their headers.

A header is comment lines at the top: `-- title:`, `-- description:` (may go on over further comment
lines), `-- parameters:` and `-- columns:` with one `-- name: what it is` line each. The same file
serves a command, a canned query in Datasette, a page of the docs and a test. Parameters are text;
the empty string means "not given", as a web form would send it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ledger.errors import UsageError

_SECTION = re.compile(r"--\s*(title|description|parameters|columns|examples):\s*(.*)")
_ITEM = re.compile(r"--\s+([a-z_0-9]+):\s*(.*)")


@dataclass(frozen=True, slots=True)
class Query:
    """A named question: its text and what its header says."""

    name: str
    sql: str
    title: str = ""
    description: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)


def home() -> Path:
    """The folder of queries: beside the package in a checkout, inside it in a wheel."""
    inside = Path(__file__).parent / "queries"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "queries"


@lru_cache(maxsize=256)
def load(name: str) -> Query:
    """The query of a name such as `history` or `fold/sets_of`. Raises UsageError when there is
    none.
    """
    path = home() / f"{name}.sql"
    if not re.fullmatch(r"[a-z_/]+", name) or not path.is_file():
        raise UsageError(
            f'no query named "{name}"', hint="rollout-ledger query --list names them all"
        )
    return _parse(name, path.read_text(encoding="utf-8"))


def questions() -> list[Query]:
    """Every question for people (the files directly in queries/), by name."""
    return [load(path.stem) for path in sorted(home().glob("*.sql"))]


def views() -> list[Query]:
    """The views, by file name: each file is the view's `select`."""
    return [load(f"views/{path.stem}") for path in sorted((home() / "views").glob("*.sql"))]


def _parse(name: str, sql: str) -> Query:
    sections: dict[str, list[str]] = {}
    items: dict[str, dict[str, str]] = {"parameters": {}, "columns": {}}
    current = ""
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        if section := _SECTION.fullmatch(line):
            current = section[1]
            sections[current] = [section[2]]
        elif current in items and (item := _ITEM.fullmatch(line)):
            items[current][item[1]] = item[2]
        elif current:
            sections[current].append(line.lstrip("- "))
    text = {key: " ".join(part for part in lines if part) for key, lines in sections.items()}
    return Query(
        name,
        sql,
        text.get("title", ""),
        text.get("description", ""),
        items["parameters"],
        items["columns"],
    )
