"""Datasette on a ledger: read-only and live.

The file is opened read-only but never as immutable: an immutable open of a file that grows gives
stale rows, or none. Nobody is asked for a password here, so only loopback is served.
"""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path
from typing import Any

from markupsafe import escape

from ledger.cells import folded
from ledger.dictionary import ALL
from ledger.errors import ConfigurationInvalid, UsageError
from ledger.guard import is_loopback
from ledger.reader import LocalReader

DATABASE = "ledger"
STOP_SECONDS = 5
SETTINGS = {
    "sql_time_limit_ms": 3000,
    "facet_time_limit_ms": 1000,
    "max_returned_rows": 2000,
    "default_page_size": 50,
    "truncate_cells_html": 240,
    "allow_download": False,
    "max_csv_mb": 0,
    "default_cache_ttl": 5,
    "num_sql_threads": 3,
    "suggest_facets": False,
}
START_HERE = (
    (
        "history?namespace=&name=&limit=100",
        "Every revision of a workload",
        "still there or long pruned",
    ),
    (
        "changes?since=&until=&limit=100",
        "Everything that changed",
        "the first question of an incident",
    ),
    ("current_state", "What runs now", "each workload with its newest revision"),
    ("between?since=&until=", "Two instants compared", "what differs, and what came between"),
    ("image_history?image=&limit=100", "Where an image came from", "and what took it away again"),
    ("ran_image?image=&at=", "Who ran an image", "on a day or at an instant"),
    ("undos", "Undos and returns", "what was taken back, and to which number"),
    ("unfinished?limit=100", "Rollouts that did not complete", "and what came after them"),
    ("pruned?limit=100", "What the cluster no longer has", "and whether it can be had back"),
    ("not_recorded?since=&until=", "What was not seen", "no silence is taken for completeness"),
)


def serve(ledger: Path, *, host: str, port: int) -> None:
    """Serve the ledger until SIGTERM or Ctrl-C; prints the address once it answers.

    Raises UsageError for an address that others could reach, ConfigurationInvalid for a port that
    is taken, LedgerUnusable for a file that is not a ledger.
    """
    refuse_open_host(host)
    LocalReader(ledger)
    listening = _listen(host, port)
    asyncio.run(_serve(ledger, listening))


def build_datasette(ledger: Path) -> Any:
    """Datasette with the ledger as its one database, named `ledger` whatever the file is called."""
    from datasette.app import Datasette
    from datasette.plugins import pm

    from ledger import datasette_plugin

    # With rich installed it prints a page of local variables for every address mistyped.
    pm.get_plugin("datasette.handle_exception").rich = None
    if not pm.is_registered(datasette_plugin):
        pm.register(datasette_plugin, name="rollout_ledger")
    served = Datasette([], settings=SETTINGS, metadata=metadata(), memory=False)
    if "_memory" in served.databases:
        served.remove_database("_memory")
    served.add_database(_read_only(served, ledger), name=DATABASE)
    datasette_plugin.guard(served)
    return served


def metadata() -> dict[str, Any]:
    """Titles, descriptions of every table and column, labels and facets."""
    links = "".join(
        f'<li><a href="{escape(f"/{DATABASE}/{path}")}">{title}</a>: {what}</li>'
        for path, title, what in START_HERE
    )
    start = f'<p class="rl-lead">Start here</p><ul class="rl-start">{links}</ul>'
    shown = {"title": "Rollout Ledger", "description_html": start}
    tables = {name: _table(name) for name in ALL}
    return {**shown, "databases": {DATABASE: {**shown, "tables": tables}}}


def refuse_open_host(host: str) -> None:
    """Raises UsageError for an address that is not loopback."""
    if not is_loopback(host):
        raise UsageError(
            f"{host} can be reached by others, and nobody is asked for a password here",
            hint="serve on 127.0.0.1 and put an authenticating proxy in front of it",
        )


def _table(name: str) -> dict[str, Any]:
    entry = ALL[name]
    meaning = folded(entry.columns, f"What the {len(entry.columns)} columns mean")
    shown: dict[str, Any] = {
        "description_html": f"<p>{escape(entry.description)}</p>{meaning}",
        "columns": entry.columns,
    }
    if entry.label_column:
        shown["label_column"] = entry.label_column
    if entry.facets:
        shown["facets"] = list(entry.facets)
    if entry.sort_desc:
        shown["sort_desc"] = entry.sort_desc
    if entry.is_hidden:
        shown["hidden"] = True
    return shown


def _read_only(datasette: Any, ledger: Path) -> Any:
    from datasette.database import Database
    from datasette.utils.sqlite import sqlite3

    class ReadOnly(Database):  # type: ignore[misc]
        """A ledger that this process cannot write, whatever it is asked, and sees as it grows."""

        def __init__(self) -> None:
            super().__init__(datasette, path=str(ledger), is_mutable=True)
            self._opened: list[sqlite3.Connection] = []

        def connect(self, write: bool = False) -> sqlite3.Connection:
            address = f"{ledger.resolve().as_uri()}?mode=ro"
            connection = sqlite3.connect(address, uri=True, check_same_thread=False)
            self._opened.append(connection)
            return connection

        def close(self) -> None:
            super().close()
            for connection in self._opened:
                connection.close()

    return ReadOnly()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # From here on a caller waits until Datasette is up instead of being refused.
        listening.listen()
    except (OSError, OverflowError) as wrong:
        listening.close()
        reason = getattr(wrong, "strerror", None) or wrong
        raise ConfigurationInvalid(
            f"cannot listen on {host} port {port}: {reason}", hint="choose another with --port"
        ) from wrong
    return listening


async def _serve(ledger: Path, listening: socket.socket) -> None:
    import uvicorn

    datasette = build_datasette(ledger)
    await datasette.invoke_startup()
    config = uvicorn.Config(
        datasette.app(),
        log_level="warning",
        lifespan="off",
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = uvicorn.Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again after it has stopped: it must find a handler that lives.
        loop.add_signal_handler(number, _stop, server)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"Serving {ledger} on http://{shown}:{port}/ (Ctrl-C ends)", flush=True)
    await server.serve(sockets=[listening])


def _stop(server: Any) -> None:
    server.should_exit = True
