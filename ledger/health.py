"""One small HTTP server beside the work: is this process alive, is it ready, what does it count?

It runs in threads of its own and only reads, so that whoever asks, however slowly or often, never
delays the recording: connections are few, short, and dropped when too many. Nothing here is secret
and nothing can be changed, so any address may be given.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from socketserver import BaseServer, TCPServer
from typing import Any

from ledger.errors import ConfigurationInvalid, UsageError

CONNECTIONS = 8
CONNECTION_SECONDS = 5.0
"""From its first byte to its last; a connection that takes longer is cut off."""

POLL_SECONDS = 0.25
TEXT = "text/plain; charset=utf-8"
METRICS = "text/plain; version=0.0.4; charset=utf-8"
INHERITED = "fd:"
"""`fd:3`: a listening socket that the parent process has opened."""


@dataclass(slots=True)
class Shown:
    """What a process shows. Its parts put their own answers here as they come up; each is asked in
    another thread than the work's.
    """

    hung: Callable[[], list[str]] = list
    """What should go on and does not."""

    not_ready: Callable[[], list[str]] = lambda: ["starting"]
    metrics: Callable[[], bytes] = bytes

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        match path:
            case "/livez":
                return _verdict("alive", "hung", self.hung())
            case "/readyz":
                return _verdict("ready", "not_ready", self.not_ready())
            case "/metrics":
                return 200, METRICS, self.metrics()
            case _:
                return 404, TEXT, b"/livez\n/readyz\n/metrics\n"


@contextmanager
def showing(address: str, shown: Shown) -> Iterator[str]:
    """Answer at `HOST:PORT` (empty: nowhere) while the block lasts; gives the address that answers.

    Raises UsageError for what is no address, ConfigurationInvalid for one that cannot be used.
    """
    if not address:
        yield ""
        return
    with listening(address) as listener:
        server = _Server(listener, shown)
        thread = threading.Thread(
            target=server.serve_forever, args=(POLL_SECONDS,), name="health", daemon=True
        )
        thread.start()
        try:
            host, port = listener.getsockname()[:2]
            yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        finally:
            server.shutdown()


def listening(address: str, *, option: str = "--health") -> socket.socket:
    """A listening socket at `HOST:PORT`, at `:PORT` of loopback, or the inherited one of `fd:N`;
    `option` is what gave the address.

    Raises UsageError for what is no address, ConfigurationInvalid for one that cannot be used.
    """
    number = address.removeprefix(INHERITED)
    if number != address and number.isdigit():
        return socket.socket(fileno=int(number))
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise UsageError(f"{address!r} is not an address", hint=f"{option} 127.0.0.1:9464")
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, int(port), type=socket.SOCK_STREAM
        )[0]
        opened = socket.socket(family, kind, protocol)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind(place)
            opened.listen()
        except OSError:
            opened.close()
            raise
    except OSError as wrong:
        raise ConfigurationInvalid(
            f"cannot listen on {address}: {wrong.strerror or wrong}",
            hint=f"choose another address with {option}",
        ) from wrong
    return opened


def _verdict(good: str, bad: str, reasons: list[str]) -> tuple[int, str, bytes]:
    body = json.dumps({good: not reasons, bad: reasons}, ensure_ascii=False) + "\n"
    return 503 if reasons else 200, "application/json", body.encode()


class _Server(TCPServer):
    """A thread for each connection, few of them, none for long."""

    def __init__(self, listener: socket.socket, shown: Shown) -> None:
        # Not TCPServer's: the socket is there, and it would ask the network for our name.
        BaseServer.__init__(self, listener.getsockname(), _Handler)
        self.socket = listener
        # Who goes away between being noticed and being accepted must not make us wait for another.
        listener.setblocking(False)
        self.shown = shown
        self._open: dict[Any, float] = {}

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._open) >= CONNECTIONS:
            self.shutdown_request(request)
            return
        self._open[request] = time.monotonic()
        threading.Thread(
            target=self._answer, args=(request, client_address), name="health", daemon=True
        ).start()

    def service_actions(self) -> None:
        overdue = time.monotonic() - CONNECTION_SECONDS
        for request, began in self._open.copy().items():
            if began < overdue:
                _cut(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that went away, or was cut off, is nobody's concern.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def _answer(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except Exception:  # noqa: BLE001 - told on stderr; the recording goes on
            self.handle_error(request, client_address)
        finally:
            del self._open[request]
            self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = CONNECTION_SECONDS

    def do_GET(self) -> None:
        code, content_type, body = self.server.shown.answer(self.path.partition("?")[0])
        self.send_response(code)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "rollout-ledger"

    def log_message(self, *_: Any) -> None:
        """Nobody wants to read of every probe."""


def _cut(request: Any) -> None:
    try:
        request.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
