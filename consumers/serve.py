"""The one-machine product: watch, consume and web as one process tree.

Three processes, so that a slow query never delays recording and a crash of one is seen. When one
ends, the others are stopped and the tree ends with its exit code: whoever supervises us (systemd, a
kubelet) starts it again whole.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from socket import socket as Socket  # noqa: N812
from types import FrameType

from ledger.health import INHERITED, Shown, listening, showing

STOP_SECONDS = 20.0
KILLED_SECONDS = 5.0
POLL_SECONDS = 0.1
ANSWER_SECONDS = 2.0
ANSWER_BYTES = 4 * 1024 * 1024


def serve(
    parts: Mapping[str, Sequence[str]],
    *,
    ledger: Path,
    health: str = "",
    web: tuple[str, int] = ("", 0),
) -> int:
    """Run the parts (name -> arguments of rollout-ledger) until one ends or a signal asks to stop.

    `web` is started once the ledger exists. `health` (HOST:PORT) answers for the whole tree, asking
    each part, and Datasette at the address `web`. Returns 0 after SIGTERM or SIGINT, otherwise the
    exit code of the part that ended first; 1 when it ended without an error, since none should.
    """
    running: dict[str, subprocess.Popen[bytes]] = {}
    waiting = dict(parts)
    tree = Tree(web, running)
    shown = Shown(tree.hung, tree.not_ready, tree.metrics)
    with _stop_signal() as stop, ExitStack() as opened:
        opened.enter_context(showing(health, shown))
        try:
            while not stop.is_set():
                for name in [n for n in waiting if n != "web" or ledger.exists()]:
                    socket: Socket | None = None
                    if health and name != "web":
                        socket = opened.enter_context(listening("127.0.0.1:0"))
                        tree.asked[name] = socket.getsockname()
                    running[name] = _start(waiting.pop(name), socket)
                ended = [part for part in running.values() if part.poll() is not None]
                if ended:
                    return ended[0].returncode or 1
                stop.wait(POLL_SECONDS)
            return 0
        finally:
            _stop_all(list(running.values()))


@dataclass(slots=True)
class Tree:
    """What the whole tree shows: what its parts answer, each named."""

    web: tuple[str, int]
    running: Mapping[str, subprocess.Popen[bytes]]
    asked: dict[str, tuple[str, int]] = field(default_factory=dict)

    def hung(self) -> list[str]:
        """What should go on and does not; a part that is only starting does."""
        return [why for part in list(self.asked) for why in self._reasons(part, "/livez", "hung")]

    def not_ready(self) -> list[str]:
        """What is not ready in any part, or has not been started."""
        reasons = [
            why
            for part in ("watch", "consume")
            for why in self._reasons(part, "/readyz", "not_ready")
        ]
        code, _ = _get(self.web, "/-/readyz") if "web" in self.running else (0, b"")
        return reasons if code == 200 else [*reasons, "web: it does not answer yet"]

    def metrics(self) -> bytes:
        """Every part's metrics."""
        from ledger.metrics import merged

        answers = {part: _get(place, "/metrics") for part, place in dict(self.asked).items()}
        return merged(
            {part: text.decode() for part, (code, text) in answers.items() if code == 200}
        )

    def _reasons(self, part: str, path: str, key: str) -> list[str]:
        if part not in self.asked:
            return [f"{part}: it is not started yet"]
        code, body = _get(self.asked[part], path)
        if code not in (200, 503):
            return [f"{part}: it does not answer"]
        return [f"{part}: {why}" for why in json.loads(body)[key]]


def _get(place: tuple[str, int], path: str) -> tuple[int, bytes]:
    """Status and body; 0 when there was no answer in time."""
    connection = HTTPConnection(*place, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES)
    except (OSError, HTTPException):
        return 0, b""
    finally:
        connection.close()


def _start(arguments: Sequence[str], health: Socket | None) -> subprocess.Popen[bytes]:
    # A group of its own: Ctrl-C reaches the parent alone, which stops the parts in order.
    command = [sys.executable, "-m", "ledger", *arguments]
    inherited = [health.fileno()] if health else []
    command += [f"--health={INHERITED}{number}" for number in inherited]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=inherited
    )


def _stop_all(parts: Sequence[subprocess.Popen[bytes]]) -> None:
    """Stop the parts in their order, each before the next: what the watcher says last is folded."""
    deadline = time.monotonic() + STOP_SECONDS
    for part in parts:
        if part.poll() is None:
            part.terminate()
        try:
            part.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            part.kill()
            with suppress(subprocess.TimeoutExpired):
                # A dead disk can hold even a killed process; init takes it over.
                part.wait(KILLED_SECONDS)


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before: list[tuple[signal.Signals, Callable[..., object] | int | None]] = [
        (number, signal.signal(number, ask)) for number in (signal.SIGTERM, signal.SIGINT)
    ]
    try:
        yield stop
    finally:
        for number, handler in before:
            signal.signal(number, handler)
