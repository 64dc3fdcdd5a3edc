"""`kubectl rollout-ledger …` finds the plugin by its name, and completion with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.cluster import Cluster
from tests.line import environment
from tests.recorded import folded, values_of

SCRIPT = "#!{python}\nimport sys\nfrom {module} import {name}\nsys.exit({name}())\n"
ENTRY_POINTS = {
    "kubectl-rollout_ledger": ("ledger.cli", "kubectl_plugin"),
    "kubectl_complete-rollout_ledger": ("ledger.cli.completion", "kubectl_complete"),
}


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with the console scripts, as an installation makes them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for script, (module, name) in ENTRY_POINTS.items():
        file = folder / script
        file.write_text(SCRIPT.format(python=sys.executable, module=module, name=name))
        file.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_the_plugin_answers_and_completes(
    control_plane: Cluster, demo: Path, tmp_path: Path, path: str
) -> None:
    ledger = str(folded(values_of(demo), tmp_path / "ledger.db"))

    def kubectl(*arguments: str) -> str:
        done = subprocess.run(
            [str(control_plane.kubectl), *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment() | {"PATH": path, "ROLLOUT_LEDGER": ledger},
            check=True,
        )
        return done.stdout

    told = kubectl("rollout-ledger", "history", "sts/web", "-n", "shop", "-o", "kubectl")
    assert told.startswith("statefulset.apps/web \nREVISION  CHANGE-CAUSE\n7  ")
    assert "Usage: kubectl rollout-ledger " in kubectl("rollout-ledger", "--help")
    completed = kubectl("__complete", "rollout-ledger", "history", "-n", "shop", "sts/")
    assert completed.splitlines()[:2] == ["sts/postgres", "sts/web"]
    assert ":4" in completed.splitlines()
