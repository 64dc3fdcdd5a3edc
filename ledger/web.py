"""Datasette on a ledger: read-only and live.

The file is opened read-only but never as immutable: an immutable open of a file that grows gives
stale rows, or none. Nobody is asked for a password here, so only loopback is served.
"""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
from pathlib import Path
from typing import Any

from ledger.dictionary import ALL
from ledger.errors import ConfigurationInvalid, UsageError
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
    ("history?namespace=&name=", "Every revision of a workload", "still there or long pruned"),
    ("changes?since=&until=", "Everything that changed", "the first question of an incident"),
    ("current_state", "What runs now", "each workload with its newest revision"),
    ("image_changes", "Image changes", "what ran before, what runs since"),
    ("undos", "Undos and returns", "what was taken back, and to which number"),
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
    from datasette.database import Database
    from datasette.plugins import pm

    from ledger import datasette_plugin

    if not pm.is_registered(datasette_plugin):
        pm.register(datasette_plugin, name="rollout_ledger")
    datasette = Datasette([], settings=SETTINGS, metadata=metadata(), memory=False)
    if "_memory" in datasette.databases:
        datasette.remove_database("_memory")
    datasette.add_database(Database(datasette, path=str(ledger), is_mutable=True), name=DATABASE)
    return datasette


def metadata() -> dict[str, Any]:
    """Titles, descriptions of every table and column, labels and facets."""
    tables = {name: _table(name) for name in ALL}
    links = "".join(
        f'<li><a href="/{DATABASE}/{path}">{title}</a>: {what}</li>'
        for path, title, what in START_HERE
    )
    start = f'<p>Start here</p><ul class="rl-start">{links}</ul>'
    return {
        "title": "Rollout Ledger",
        "description_html": start,
        "databases": {
            DATABASE: {"title": "Rollout Ledger", "description_html": start, "tables": tables}
        },
    }


def refuse_open_host(host: str) -> None:
    """Raises UsageError for an address that is not loopback."""
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise UsageError(
            f"{host} can be reached by others, and nobody is asked for a password here",
            hint="serve on 127.0.0.1 and put an authenticating proxy in front of it",
        )


def _table(name: str) -> dict[str, Any]:
    entry = ALL[name]
    shown: dict[str, Any] = {"description": entry.description, "columns": entry.columns}
    if entry.label_column:
        shown["label_column"] = entry.label_column
    if entry.facets:
        shown["facets"] = list(entry.facets)
    if entry.sort_desc:
        shown["sort_desc"] = entry.sort_desc
    if entry.is_hidden:
        shown["hidden"] = True
    return shown


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
