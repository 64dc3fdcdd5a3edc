"""Disks that a test may fill, and processes of the product that must live with that.

A file system of a few MiB in memory, which only root may mount; without it the test is skipped, or
fails where the real parts are required (see tests/lab/fixtures.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.log.sqlite import LogFile
from tests.line import environment

WAIT_SECONDS = 30.0


def missing_real(reason: str) -> None:
    """Skip the test for want of a real part; fail it where real parts are required."""
    if os.environ.get("ROLLOUT_LEDGER_REQUIRE_REAL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@dataclass(frozen=True)
class Disk:
    """A file system of its own."""

    folder: Path

    def resize(self, kibibytes: int) -> None:
        """Make it larger, or smaller down to what it holds."""
        options = f"remount,size={kibibytes}k"
        subprocess.run(["mount", "-o", options, str(self.folder)], check=True)

    def fill(self) -> Path:
        """Take all space that is left; removing the file gives it back."""
        filler = self.folder / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                return filler
        return filler


@contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[Disk]:
    """A disk of a size at `folder`, while the block lasts."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k,mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        missing_real(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@dataclass(frozen=True)
class Process:
    """A process of the product, or of a few lines of Python, with what it says in files."""

    running: subprocess.Popen[bytes]
    out: Path
    err: Path

    def told(self) -> list[str]:
        """The lines on stderr so far."""
        return self.err.read_text().splitlines()

    def said(self) -> list[str]:
        """The lines on stdout so far."""
        return self.out.read_text().splitlines()

    def stop(self) -> int:
        """SIGTERM; the exit code. Under another program it is that one's child that gets it."""
        pid = self.running.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(int(children[0]) if children else pid, signal.SIGTERM)
        return self.running.wait(WAIT_SECONDS)


@contextmanager
def running(
    folder: Path, arguments: Sequence[str | Path], *, under: Sequence[str] = ()
) -> Iterator[Process]:
    """`python ARGUMENTS`, ended with the block; `under` another program, such as strace."""
    number = len(list(folder.glob("process-*.out")))
    out, err = folder / f"process-{number}.out", folder / f"process-{number}.err"
    with out.open("wb") as output, err.open("wb") as errors:
        process = subprocess.Popen(
            [*under, sys.executable, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=environment(),
        )
    try:
        yield Process(process, out, err)
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def consume(log: Path, ledger: Path, *more: str) -> list[str | Path]:
    """The arguments of a consumer of one log into one ledger."""
    place: list[str | Path] = [
        "--data",
        ledger.parent / "data",
        "--log",
        f"sqlite://{log}",
        "--ledger",
        ledger,
    ]
    return ["-m", "ledger", "consume", *place, *more]


def until(true: Callable[[], object], *, seconds: float = WAIT_SECONDS) -> None:
    """Return as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def log_of(values: Sequence[bytes], path: Path) -> Path:
    """A log.db of the values."""
    with LogFile.create(path) as log:
        for start in range(0, len(values), 100):
            log.append(values[start : start + 100])
    return path
