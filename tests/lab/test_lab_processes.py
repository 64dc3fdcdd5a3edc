"""The lab's servers never outlive the run, and children never see a KUBECONFIG."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.lab.process import LabError, Process, clean_environment, wait_until

# A run started in the background inherits an ignored SIGINT, so the owner asks for its own.
OWNER = """
import signal, sys, time
from pathlib import Path
from tests.lab.process import Process
signal.signal(signal.SIGINT, signal.default_int_handler)
print(Process("sleeper", ["sleep", "300"], log=Path(sys.argv[1])).pid, flush=True)
time.sleep(300)
"""


def gone(pid: int) -> bool:
    """Whether no such process runs; one that waits to be reaped does not run."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_server_ends_with_its_owner(ending: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).parent.parent.parent,
    ) as owner:
        assert owner.stdout
        server = int(owner.stdout.readline())
        owner.send_signal(ending)
        owner.wait(10)
        wait_until(lambda: gone(server), what="the server to end", seconds=10)


def test_a_server_that_dies_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    process = Process("failing", ["sh", "-c", "echo no luck"], log=tmp_path / "log")
    with pytest.raises(LabError, match="failing ended by itself: no luck"):
        wait_until(lambda: False, what="luck", seconds=10, process=process)
    process.stop()


def test_a_deadline_names_what_was_waited_for() -> None:
    began = time.monotonic()
    with pytest.raises(LabError, match=r"waited 0\.1 s in vain for luck"):
        wait_until(lambda: False, what="luck", seconds=0.1)
    assert time.monotonic() - began < 5


def test_children_never_see_a_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/somebody's/production")
    environment = clean_environment({"EXTRA": "yes"})
    assert "KUBECONFIG" not in environment
    assert environment["EXTRA"] == "yes"
    assert environment["PATH"] == os.environ["PATH"]
