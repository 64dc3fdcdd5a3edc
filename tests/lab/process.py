"""One server process of the lab, with a leash: it never outlives the test run.

Servers get a session of their own, so an interrupted terminal does not kill them
before their owner stops them in order. In return every one is stopped at exit, and
if this process dies without a goodbye, the leash (a shell reading from a pipe that
only we hold open) kills the server's group. Only processes started here are ever
signalled, by their id.
"""

from __future__ import annotations

import atexit
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

LEASH = 'read -r released; [ "$released" ] || kill -s KILL -- "-$1"'
POLL_SECONDS = 0.02
FIRST_PORT = 20_000
STRETCH_PORTS = 1_500
PORT_STRETCHES = 8


class LabError(Exception):
    """The lab could not do what was asked; the text says what and where to look."""


class Process:
    """A started server, its log file and its leash."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] = {}
    ) -> None:
        """Start `command`; its output is appended to `log`."""
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._server = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=clean_environment(environment),
                start_new_session=True,
            )
        self._leash = subprocess.Popen(
            ["sh", "-c", LEASH, "leash", str(self._server.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        atexit.register(self.kill)

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._server.pid

    def alive(self) -> bool:
        """Whether the server still runs."""
        return self._server.poll() is None

    def terminate(self) -> None:
        """Ask the server to end; does not wait."""
        self.send(signal.SIGTERM)

    def stop(self, *, patience_seconds: float = 15.0) -> None:
        """Return when the server has ended: asked first, killed if it does not listen."""
        self.terminate()
        try:
            self._server.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
        self._forget()

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        self.send(signal.SIGKILL)
        self._forget()

    def send(self, number: signal.Signals) -> None:
        """Signal the group while the server is ours: not reaped, so its id is not reused."""
        if self.alive():
            os.killpg(self._server.pid, number)

    def last_words(self) -> str:
        """The last line of the log, for error messages."""
        lines = self.log.read_text(errors="replace").strip().splitlines() or ["nothing"]
        return lines[-1][:400]

    def _forget(self) -> None:
        """Reap the server and let the leash go."""
        self._server.wait()
        if self._leash.stdin and not self._leash.stdin.closed:
            self._leash.communicate(b"released\n")
        atexit.unregister(self.kill)


def free_ports(count: int) -> list[int]:
    """Different loopback ports that nobody listened on a moment ago.

    They lie below those that the system gives to outgoing connections, which would take the port of
    a server while it restarts; each worker of a parallel run has a stretch of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST_PORT + worker % PORT_STRETCHES * STRETCH_PORTS
    found: list[int] = []
    for port in random.SystemRandom().sample(range(first, first + STRETCH_PORTS), STRETCH_PORTS):
        if len(found) == count:
            break
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    return found


def answers(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(
    true: Callable[[], bool], *, what: str, seconds: float, process: Process | None = None
) -> None:
    """Return as soon as `true()`; raise LabError at the deadline or when `process` dies."""
    deadline = time.monotonic() + seconds
    while not true():
        if process and not process.alive():
            raise LabError(f"{process.name} ended by itself: {process.last_words()}")
        if time.monotonic() > deadline:
            hint = f"; {process.name} said: {process.last_words()}" if process else ""
            raise LabError(f"waited {seconds:g} s in vain for {what}{hint}")
        time.sleep(POLL_SECONDS)


def clean_environment(settings: Mapping[str, str] = {}) -> dict[str, str]:
    """The environment for children: ours, `settings`, and never a KUBECONFIG."""
    environment = {**os.environ, **settings}
    environment.pop("KUBECONFIG", None)
    return environment
