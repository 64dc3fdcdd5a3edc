"""What Datasette shows of a ledger: canned questions, readable cells, and limits on every answer.

Coded to what Datasette 0.65 and 1.0a share; the few places where they differ ask which one it is.
Other databases of the same Datasette are left alone: a ledger is known by its application id,
whatever it is called. Only a Datasette that web.py built is put behind the guard.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sqlite3
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import datasette as datasette_package
from datasette import Response, hookimpl
from datasette.database import QueryInterrupted
from datasette.plugins import pm
from markupsafe import Markup, escape

from ledger import cells, columns, sql
from ledger.guard import Asgi, Scope, guarded
from ledger.reader import APPLICATION_ID

LENGTH_LIMIT_BYTES = 5_000_000
HEAP_LIMIT_BYTES = 512 * 1024 * 1024
STYLE_SHEET = "/-/rollout-ledger/ledger.css"
MENU = (
    ("history", "?limit=100", "History"),
    ("changes", "?limit=100", "Changes"),
    ("current_state", "", "What runs now"),
    ("not_recorded", "", "What was not seen"),
)

_ledgers: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
_guarded: WeakSet[Any] = WeakSet()


def guard(datasette: Any) -> None:
    """From here on this Datasette answers from behind guard.py."""
    _guarded.add(datasette)


@hookimpl
def prepare_connection(conn: sqlite3.Connection, database: str, datasette: Any) -> None:
    """No answer may grow without bounds: SQL's time limit does not bound memory."""
    if conn.execute("pragma application_id").fetchone()[0] != APPLICATION_ID:
        return
    _ledgers.setdefault(datasette, set()).add(database)
    conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LENGTH_LIMIT_BYTES)
    conn.execute(f"pragma hard_heap_limit = {HEAP_LIMIT_BYTES}")
    conn.execute("pragma query_only = on")


@hookimpl
def canned_queries(datasette: Any, database: str) -> Callable[[], Awaitable[dict[str, Any]]]:
    """The questions of queries/*.sql, for every database that is a ledger (Datasette 0.65)."""

    async def of_ledger() -> dict[str, Any]:
        return questions() if await is_ledger(datasette, database) else {}

    return of_ledger


@hookimpl
def startup(datasette: Any) -> Callable[[], Awaitable[None]]:
    """The same questions where Datasette keeps queries itself (1.0a)."""

    async def add() -> None:
        if not hasattr(datasette, "add_query"):
            return
        for database in list(datasette.databases):
            if await is_ledger(datasette, database):
                for name, question in questions().items():
                    told = {key: value for key, value in question.items() if key != "params"}
                    await datasette.add_query(
                        database, name, parameters=question["params"], is_trusted=True, **told
                    )

    return add


@hookimpl
def render_cell(
    row: Any, value: Any, column: str, database: str, datasette: Any
) -> Markup | str | None:
    """Times, states, uids, digests, templates and workloads as people read them."""
    if database not in _ledgers.get(datasette, ()):
        return None

    def page(name: str) -> str:
        return str(datasette.urls.table(database, name))

    def known(name: str) -> Any:
        try:
            return row[name]
        except (IndexError, KeyError):
            return None

    return cells.cell(value, column, known, page)


@hookimpl
def extra_css_urls(database: str | None, datasette: Any) -> list[str]:
    """Our own small style sheet, on a ledger's pages and on the front page of one."""
    ours = _ledgers.get(datasette, set())
    if database in ours or (database is None and ours):
        return [f"{datasette.urls.path(STYLE_SHEET)}?{_digest_of_style()}"]
    return []


@hookimpl
def register_routes() -> list[tuple[str, Any]]:
    """The style sheet, robots.txt, and a page that says the server is ready."""
    return [
        (rf"^{re.escape(STYLE_SHEET)}$", _css),
        (r"^/robots\.txt$", _robots),
        (r"^/-/readyz$", _ready),
    ]


@hookimpl
def menu_links(datasette: Any) -> Callable[[], Awaitable[list[dict[str, str]]]]:
    """The pages people want first, of every ledger there is."""

    async def links() -> list[dict[str, str]]:
        ours = [name for name in datasette.databases if await is_ledger(datasette, name)]
        return [
            {
                "href": f"{datasette.urls.table(database, page)}{asked}",
                "label": label if len(ours) == 1 else f"{database}: {label}",
            }
            for database in ours
            for page, asked, label in MENU
        ]

    return links


@hookimpl
def asgi_wrapper(datasette: Any) -> Callable[[Asgi], Asgi]:
    """The guard, around a Datasette that serves nothing but a ledger."""

    def wrap(app: Asgi) -> Asgi:
        seconds = datasette.setting("default_cache_ttl")
        behind = guarded(app, script_sources=script_sources(), cache_seconds=seconds)

        # Asked at each request: 0.65 wraps its test client's application while it is being made.
        async def either(scope: Scope, receive: Any, send: Any) -> None:
            await (behind if datasette in _guarded else app)(scope, receive, send)

        return either

    return wrap


async def is_ledger(datasette: Any, database: str) -> bool:
    """Whether a database is one of ours: other people's are left alone."""
    rows = await datasette.get_database(database).execute("pragma application_id")
    return bool(rows.first()[0] == APPLICATION_ID)


@cache
def questions() -> dict[str, Any]:
    """Every question as Datasette's canned query."""
    return {
        each.name: {
            "sql": each.sql,
            "title": each.title,
            "description_html": _about(each),
            "params": list(each.parameters),
            "hide_sql": True,
        }
        for each in sql.questions()
    }


@cache
def script_sources() -> list[str]:
    """CSP sources of the scripts that Datasette writes into its pages: the digest of each, so that
    no other runs. `'unsafe-inline'` where one of them differs from page to page (1.0a, and plugins
    that add scripts of their own).
    """
    if pm.hook.extra_body_script.get_hookimpls():
        return ["'unsafe-inline'"]
    scripts: list[str] = []
    for path in sorted((Path(datasette_package.__file__).parent / "templates").glob("*.html")):
        for script in re.findall(r"<script>(.*?)</script>", path.read_text("utf-8"), re.DOTALL):
            switched = [script.replace("{{ datasette_allow_facet }}", x) for x in ("true", "false")]
            scripts += dict.fromkeys(switched)
    if any("{{" in script or "{%" in script for script in scripts):
        return ["'unsafe-inline'"]
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


def _about(question: sql.Query) -> str:
    given = cells.folded(question.parameters, "What to fill in")
    meant = cells.folded(question.columns, f"What the {len(question.columns)} columns mean")
    every = '<label class="rl-every"><input type="checkbox"> show every column</label>'
    return (
        f"<p>{escape(question.description)}</p>"
        f"{given}{meant}{every if columns.aside(question) else ''}"
    )


@cache
def _style() -> str:
    own = Path(__file__).parent / "static" / "ledger.css"
    return own.read_text(encoding="utf-8") + columns.style()


@cache
def _digest_of_style() -> str:
    return hashlib.sha256(_style().encode()).hexdigest()[:8]


async def _css() -> Any:
    headers = {"cache-control": "max-age=3600"}
    return Response(_style(), headers=headers, content_type="text/css; charset=utf-8")


async def _robots() -> Any:
    return Response.text("User-agent: *\nDisallow: /\n")


async def _ready(datasette: Any) -> Any:
    try:
        ours = [name for name in datasette.databases if await is_ledger(datasette, name)]
        for database in ours:
            served = datasette.get_database(database)
            # What is open stays readable after its file is gone.
            Path(served.path).stat()
            await served.execute("select next_position from progress")
    except (OSError, sqlite3.Error, QueryInterrupted) as wrong:
        return Response.text(f"the ledger cannot be read: {wrong}\n", status=503)
    return Response.text("ready\n") if ours else Response.text("no ledger here\n", status=503)
