"""What Datasette shows of a ledger: readable cells, canned questions, safe headers and limits.

Coded to what Datasette 0.65 and 1.0a share; the few places where they differ ask which one it is.
"""

from __future__ import annotations

import html
import json
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from datasette import Response, hookimpl
from markupsafe import Markup

from ledger import sql
from ledger.reader import APPLICATION_ID

LENGTH_LIMIT_BYTES = 5_000_000
HEAP_LIMIT_BYTES = 512 * 1024 * 1024
STATES = ("trigger", "status", "what", "disposition", "state", "change_cause_state", "cause")
DIGESTS = ("digest", "sha256", "template_digest", "content")
HEADERS = {
    b"content-security-policy": (
        b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        b"img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        b"frame-ancestors 'none'"
    ),
    b"x-frame-options": b"DENY",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
}

Scope = dict[str, Any]
Asgi = Callable[[Scope, Any, Any], Awaitable[None]]


@hookimpl
def prepare_connection(conn: sqlite3.Connection, database: str) -> None:
    """No answer may grow without bounds: SQL's time limit does not bound memory."""
    if database != "ledger":
        return
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
        for database in datasette.databases:
            if await is_ledger(datasette, database):
                for name, question in questions().items():
                    await datasette.add_query(database, name, is_trusted=True, **question)

    return add


@hookimpl
def render_cell(value: Any, column: str) -> Markup | None:
    """Times, states, digests, templates and workloads as people read them."""
    if not isinstance(value, str) or not value:
        return None
    if column == "template":
        return _template(value)
    if column in DIGESTS and len(value) >= 16:
        return Markup('<code title="{}">{}…</code>').format(value, value[:12])
    if column in STATES:
        return Markup('<span class="rl-state rl-{}">{}</span>').format(value.split(" ")[0], value)
    if column.endswith("_at") or column == "at":
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            value, value, value[:19].replace("T", " ")
        )
    if column == "workload" and "/" in value:
        return _workload(value)
    return None


@hookimpl
def extra_css_urls() -> list[str]:
    """Our own small style sheet."""
    return ["/-/rollout-ledger/ledger.css"]


@hookimpl
def register_routes() -> list[tuple[str, Any]]:
    """The style sheet, robots.txt, and a page that says the server is ready."""
    return [
        (r"^/-/rollout-ledger/ledger\.css$", _css),
        (r"^/robots\.txt$", _robots),
        (r"^/-/readyz$", _ready),
    ]


@hookimpl
def menu_links(datasette: Any) -> list[dict[str, str]]:
    """The two pages people want first."""
    return [
        {"href": datasette.urls.path("/ledger/history"), "label": "History"},
        {"href": datasette.urls.path("/ledger/changes"), "label": "Changes"},
    ]


@hookimpl
def asgi_wrapper() -> Callable[[Asgi], Asgi]:
    """Headers that keep pages out of frames and scripts out of pages; no backslash in a path,
    which Datasette 0.65 would redirect to another host."""

    def wrap(app: Asgi) -> Asgi:
        async def guarded(scope: Scope, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            raw_path = scope.get("raw_path") or scope["path"].encode()
            if b"\\" in raw_path or b"%5c" in raw_path.lower():
                return await _refuse(send)
            await app(scope, receive, _with_headers(send))
            return None

        return guarded

    return wrap


async def is_ledger(datasette: Any, database: str) -> bool:
    """Whether a database is one of ours: other people's are left alone."""
    rows = await datasette.get_database(database).execute("pragma application_id")
    return bool(rows.first()[0] == APPLICATION_ID)


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


def _about(question: sql.Query) -> str:
    rows = "".join(
        f"<li><code>{html.escape(name)}</code>: {html.escape(what)}</li>"
        for name, what in question.parameters.items()
    )
    given = f"<ul>{rows}</ul>" if rows else ""
    return f"<p>{html.escape(question.description)}</p>{given}"


def _template(value: str) -> Markup | None:
    try:
        document = json.loads(value)
    except ValueError:
        return None
    spec = document.get("spec") if isinstance(document, dict) else None
    containers = spec.get("containers") if isinstance(spec, dict) else None
    names = ", ".join(str(c.get("name")) for c in containers or [] if isinstance(c, dict))
    return Markup(
        '<details class="rl-template"><summary>{}</summary><pre>{}</pre></details>'
    ).format(names or "template", json.dumps(document, indent=2, ensure_ascii=False))


def _workload(value: str) -> Markup:
    namespace, _, name = value.partition("~")[0].partition("/")
    target = f"/ledger/history?{urlencode({'namespace': namespace, 'name': name})}"
    return Markup('<a href="{}">{}</a>').format(target, value)


async def _css() -> Any:
    text = (Path(__file__).parent / "static" / "ledger.css").read_text(encoding="utf-8")
    return Response(text, content_type="text/css; charset=utf-8")


async def _robots() -> Any:
    return Response.text("User-agent: *\nDisallow: /\n")


async def _ready(datasette: Any) -> Any:
    await datasette.get_database("ledger").execute("select next_position from progress")
    return Response.text("ready\n")


async def _refuse(send: Any) -> None:
    headers = [(b"content-type", b"text/plain"), *HEADERS.items()]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"no such page\n"})


def _with_headers(send: Any) -> Any:
    async def sending(event: dict[str, Any]) -> None:
        if event["type"] == "http.response.start":
            event = {**event, "headers": [*event["headers"], *HEADERS.items()]}
        await send(event)

    return sending
