"""A process that handles secrets leaves no core file."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

HARDENED = "from ledger.hardening import harden; harden(); "
ABORT = "import os; os.abort()"
LIMITS = "print(open('/proc/self/limits').read())"
DUMPABLE = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
CORES_ALLOWED = (
    "import resource; hard = resource.getrlimit(resource.RLIMIT_CORE)[1];"
    "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)); "
)


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


linux = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux shows them")


@linux
def test_the_limit_of_core_files_is_zero_and_stays_so(tmp_path: Path) -> None:
    shown = run(CORES_ALLOWED + HARDENED + LIMITS, tmp_path).stdout
    [line] = [line for line in shown.splitlines() if line.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]


@linux
def test_the_process_cannot_be_dumped(tmp_path: Path) -> None:
    assert run(DUMPABLE, tmp_path).stdout == "1\n"
    assert run(HARDENED + DUMPABLE, tmp_path).stdout == "0\n"


def test_a_process_that_aborts_leaves_no_core(tmp_path: Path) -> None:
    done = run(CORES_ALLOWED + HARDENED + ABORT, tmp_path)
    assert done.returncode == -signal.SIGABRT
    assert list(tmp_path.iterdir()) == []


@linux
@pytest.mark.parametrize("command", ["watch", "consume", "serve"])
def test_every_recording_command_hardens_itself_first(command: str, tmp_path: Path) -> None:
    # A wrong option of the log ends the command soon after it has begun.
    code = (
        "from ledger.cli import run\n"
        f"try: run(['{command}', '--data', '{tmp_path}', '--log', 'nonsense:x'])\n"
        "except BaseException: pass\n"
    )
    shown = run(code + DUMPABLE, tmp_path).stdout
    assert shown.splitlines()[-1] == "0"
