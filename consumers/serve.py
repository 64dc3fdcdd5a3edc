"""The one-machine product: watch, consume and web as one process tree.

Three processes, so that a slow query never delays recording and a crash of one is seen. When one
ends, the others are stopped and the tree ends with its exit code: whoever supervises us (systemd, a
kubelet) starts it again whole.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

STOP_SECONDS = 20.0
POLL_SECONDS = 0.1


def serve(parts: Mapping[str, Sequence[str]], *, ledger: Path) -> int:
    """Run the parts (name -> arguments of rollout-ledger) until one ends or a signal asks to stop.

    `web` is started once the ledger exists. Returns 0 after SIGTERM or SIGINT, otherwise the exit
    code of the part that ended first; 1 when it ended without an error, since none should.
    """
    running: dict[str, subprocess.Popen[bytes]] = {}
    waiting = dict(parts)
    with _stop_signal() as stop:
        try:
            while not stop.is_set():
                for name in [n for n in waiting if n != "web" or ledger.exists()]:
                    running[name] = _start(waiting.pop(name))
                ended = [part for part in running.values() if part.poll() is not None]
                if ended:
                    return ended[0].returncode or 1
                stop.wait(POLL_SECONDS)
            return 0
        finally:
            _stop_all(list(running.values()))


def _start(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    # A group of its own: Ctrl-C reaches the parent alone, which stops the parts in order.
    command = [sys.executable, "-m", "ledger", *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)


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
            part.wait()


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
