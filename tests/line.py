"""The real line as its users run it: `watch` and `consume` processes, and the commands on their
ledger.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ledger.disk import SQLITE_TOLD
from ledger.keys import KeyRing
from ledger.model import EPOCH_SPAN, KINDS, utc_now

READY_SECONDS = 20.0
CATCH_UP_SECONDS = 5.0
STOP_SECONDS = 25.0
POLL_SECONDS = 0.03


@dataclass
class Line:
    """One installation: a data folder, a log, a watcher and a consumer."""

    data: Path
    kubeconfig: Path
    namespace: str
    log: str = ""
    watching: tuple[str, ...] = ()
    """More options of `watch`."""

    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Line:
        self.start("watch")
        self.start("consume")
        self.wait_until_recording()
        return self

    def __exit__(self, *_: object) -> None:
        for part in list(self._running):
            self.stop(part)

    @property
    def ledger(self) -> Path:
        """The ledger file."""
        return self.data / "ledger" / "ledger.db"

    def start(self, part: str) -> None:
        """Start `watch` or `consume`, its output beside the data."""
        self.data.mkdir(parents=True, exist_ok=True)
        watching = ["--kubeconfig", str(self.kubeconfig), "-n", self.namespace, *self.watching]
        log = ["--log", self.log] if self.log else []
        arguments = [part, "--data", str(self.data), *log, *(watching if part == "watch" else [])]
        with (self.data / f"{part}.out").open("ab") as output:
            self._running[part] = subprocess.Popen(
                [sys.executable, "-m", "ledger", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
                start_new_session=True,
            )

    def process(self, part: str) -> subprocess.Popen[bytes]:
        """The process of a part that runs."""
        return self._running[part]

    def kill(self, part: str) -> None:
        """SIGKILL, as a crash would."""
        process = self._running.pop(part)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self, part: str) -> int:
        """SIGTERM; the exit code, once it has ended."""
        process = self._running.pop(part)
        process.terminate()
        return process.wait(STOP_SECONDS)

    def output(self, part: str) -> str:
        """What a part has written so far."""
        return (self.data / f"{part}.out").read_text()

    def wait_until_recording(self) -> None:
        """Return when every stream's first list is folded: from here on everything is watched."""
        deadline = time.monotonic() + READY_SECONDS
        while self._ask("select count(*) from snapshots where complete") != [(len(KINDS),)]:
            self._check_alive()
            if time.monotonic() > deadline:
                raise AssertionError(f"not recording: {self.output('watch')}")
            time.sleep(POLL_SECONDS)

    def wait_for(self, versions: Mapping[str, str], *, seconds: float = CATCH_UP_SECONDS) -> None:
        """Return when the ledger has exactly these live objects at these resourceVersions."""
        wanted = {uid: int(version) for uid, version in versions.items()}
        deadline = time.monotonic() + seconds
        while (found := self._live(wanted)) != wanted:
            self._check_alive()
            if time.monotonic() > deadline:
                raise AssertionError(self._difference(wanted, found))
            time.sleep(POLL_SECONDS)

    def make_keys(self) -> None:
        """Make this installation's keys now, so that another may share them."""
        KeyRing.open_or_create(self.data / "keys", now=utc_now())

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command on this line's ledger, whatever comes of it."""
        command = [sys.executable, "-m", "ledger", *arguments, "--data", str(self.data)]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=30, env=environment(), check=False
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """The output of a command that ends with `code`."""
        done = self.attempt(*arguments)
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done.stdout

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The items of a command's JSON."""
        items: list[dict[str, Any]] = json.loads(self.run(*arguments, "-o", "json"))["items"]
        return items

    def _live(self, wanted: Mapping[str, int]) -> dict[str, int]:
        rows = self._ask(
            "select uid, resource_version, namespace from objects where deleted_at is null "
            "and kind <> 'events'"
        )
        # Volumes have no namespace: only those bound to the namespace's claims are asked for.
        return {
            uid: version % EPOCH_SPAN
            for uid, version, where in rows
            if where == self.namespace or uid in wanted
        }

    def _ask(self, question: str) -> list[tuple[Any, ...]]:
        """The rows of a question to the ledger as it stands; none while there is no ledger."""
        try:
            connection = sqlite3.connect(f"{self.ledger.as_uri()}?mode=ro", uri=True)
        except sqlite3.OperationalError:
            return []
        try:
            return connection.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            connection.close()

    def _check_alive(self) -> None:
        for part, process in self._running.items():
            if process.poll() is not None:
                raise AssertionError(f"{part} ended with {process.returncode}: {self.output(part)}")

    def _difference(self, wanted: Mapping[str, int], found: Mapping[str, int]) -> str:
        missing = {uid: v for uid, v in wanted.items() if found.get(uid) != v}
        extra = {uid: v for uid, v in found.items() if uid not in wanted}
        outputs = "\n".join(f"{part}: {self.output(part)}" for part in self._running)
        return f"the ledger lags: wants {missing}, has {extra} too many\n{outputs}"


def environment() -> dict[str, str]:
    """The environment of the product's processes: nobody's kubeconfig, no colour, and not a word
    about this machine's SQLite.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KUBE", "ROLLOUT_LEDGER"))}
    own = {"NO_COLOR": "1", "PYTHONPATH": str(Path(__file__).parent.parent), SQLITE_TOLD: "1"}
    return kept | own
