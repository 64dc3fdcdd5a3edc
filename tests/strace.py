"""Faults at system calls: a process is run again and again, each time with one call of it that
kills it or fails.

strace counts a process's calls of a kind and injects the fault into the one that was asked for.
What the process has done before is on disk as it would be after a crash of the process (not of the
machine: the page cache stays).
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.disks import missing_real
from tests.line import environment

CALLS = (
    "pwrite64",
    "write",
    "fdatasync",
    "fsync",
    "ftruncate",
    "unlink",
    "rename",
    "link",
    "mkdir",
    "fchmod",
)
"""The calls that change what is on a disk. SQLite's -shm is written through memory, by none."""

UNLIKELY = {
    "error=ENOSPC": ("fdatasync", "fsync", "write"),
    # Output alone: SQLite's writes say where they go to.
    "error=EIO": ("write",),
}
"""What is not injected into which calls."""

SECONDS = 30.0
STRACE = ("strace", "-f", "-qq")
"""Without --seccomp-bpf, under which strace 6.1 counts a call but sends it no signal."""


@dataclass(frozen=True)
class Point:
    """One call of a process and what becomes of it."""

    call: str
    number: int
    """Which of the process's calls of that kind, from 1."""

    action: str
    """`signal=SIGKILL`, or `error=EIO`."""

    def __str__(self) -> str:
        return f"{self.call} {self.number} {self.action}"


@dataclass(frozen=True)
class Ended:
    """How a run with a fault ended."""

    code: int
    out: list[str]
    err: str

    @property
    def killed(self) -> bool:
        """The fault was met, and it was SIGKILL."""
        return self.code in (-9, 137)


def points(program: Sequence[str | Path], *actions: str, sample: int | None = None) -> list[Point]:
    """Every call of an undisturbed run of `program` with each of the actions; or a seeded sample of
    them, in which each kind of call occurs.
    """
    counted = _counted(program)
    every = [
        Point(call, number, action)
        for action in actions
        for call, count in counted.items()
        for number in range(1, count + 1)
        if call not in UNLIKELY.get(action, ())
    ]
    if sample is None or sample >= len(every):
        return every
    dice = random.Random(67250)
    kinds = {(each.call, each.action): each for each in dice.sample(every, len(every))}
    chosen = list(kinds.values())[:sample]
    rest = [each for each in every if each not in chosen]
    return chosen + dice.sample(rest, sample - len(chosen))


def disturbed(program: Sequence[str | Path], point: Point) -> Ended:
    """Run Python with these arguments and the one fault."""
    return _run([*injecting(point), sys.executable, *map(str, program)])


def injecting(point: Point) -> list[str]:
    """The command that a program with the one fault is run under."""
    inject = f"inject={point.call}:{point.action}:when={point.number}"
    return [*STRACE, "-o", "/dev/null", "-e", f"trace={point.call}", "-e", inject]


def require_strace() -> None:
    """Skip or fail the test where there is none."""
    if not shutil.which("strace"):
        missing_real("strace is not installed here: nothing can be injected into system calls")


def _counted(program: Sequence[str | Path]) -> dict[str, int]:
    require_strace()
    command = [*STRACE, "-e", f"trace={','.join(CALLS)}", "-o", "|cat >&2"]
    done = _run([*command, sys.executable, *map(str, program)])
    if done.code:
        missing_real(f"strace cannot trace here: {done.err[-200:]}")
    found = re.findall(r"^(?:\[?pid\s+\d+\]?\s+|\d+\s+)?(\w+)\(", done.err, re.MULTILINE)
    return {call: found.count(call) for call in CALLS if call in found}


def _run(command: Sequence[str]) -> Ended:
    quiet = environment() | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS, env=quiet, check=False
    )
    return Ended(done.returncode, done.stdout.splitlines(), done.stderr)
