"""`undo` killed at its system calls: nothing is done, or all of it, and the ledger says which."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ledger.undo.patch import UNDO_ANNOTATION
from tests.faults import row
from tests.lab.control_plane import ControlPlane
from tests.lab.users import ALICE
from tests.lab.workloads import Workload
from tests.line import environment
from tests.strace import Point, injecting, require_strace
from tests.undoing import Scene, command, scene

KILLED = Workload("killed", "app:1.0", replicas=1, claims=0)
CALLS = ("sendto", "recvfrom")
MOST_CALLS = 48
BEFORE_THE_LAST = 3
"""At so many messages before the last one it is killed too: there the patch is."""


@pytest.fixture(scope="module")
def stage(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A line that has the API server's audit log."""
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("an outside cluster's audit log is not at hand")
    options = ("--audit-log", str(control_plane.audit_log))
    with scene(control_plane, tmp_path_factory.mktemp("kills"), *options) as made:
        yield made


def killed(stage: Scene, point: Point, reason: str) -> int:
    """The exit code of an undo that is killed at that point, if it comes so far."""
    arguments = ("sts/killed", "-y", "--reason", reason, "--data", str(stage.line.data))
    done = subprocess.run(
        [*injecting(point), *command(stage.driver, *arguments)],
        capture_output=True,
        env=environment() | {"PYTHONDONTWRITEBYTECODE": "1"},
        timeout=60,
        check=False,
    )
    return done.returncode


def intent_of(raw_set: dict[str, Any]) -> dict[str, Any]:
    """What our annotation says; nothing without one."""
    intent: dict[str, Any] = json.loads(
        raw_set["metadata"].get("annotations", {}).get(UNDO_ANNOTATION, "{}")
    )
    return intent


@dataclass
class Undos:
    """Undos that were killed, or not, at a call of theirs, each looked at afterwards."""

    stage: Scene
    written: dict[int, str] = field(default_factory=dict)
    """The reason of each that was done, by the generation that it made."""

    killed: int = 0
    count: int = 0

    def is_killed_at(self, call: str, number: int) -> bool:
        """Whether an undo comes so far; nothing of it was done, or all."""
        self.count += 1
        reason, before = f"reason {self.count}", self.stage.raw_set("killed")
        point = Point(call, number, "signal=SIGKILL")
        code = killed(self.stage, point, reason)
        assert code in (0, -9)
        self.killed += code == -9
        self._look(before, self.stage.raw_set("killed"), reason)
        return code == -9

    def last_call(self, call: str) -> int:
        """The number of the last call of that kind at which an undo can be killed."""
        low, high = 0, MOST_CALLS
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.is_killed_at(call, middle) else (low, middle)
        return low

    def _look(self, before: dict[str, Any], after: dict[str, Any], reason: str) -> None:
        intent, base = intent_of(after), before["metadata"]["generation"]
        if after["metadata"]["generation"] == base:
            assert (after["spec"], intent) == (before["spec"], intent_of(before))
            return
        assert (intent["baseGeneration"], intent["reason"]) == (base, reason)
        assert after["metadata"]["generation"] == base + 1
        assert after["spec"]["template"] != before["spec"]["template"]
        self.written[base + 1] = reason
        self.stage.recorded()


@pytest.mark.timeout(300)
@row("U2", how="SIGKILL at messages it sends or waits for, by strace", part="real")
def test_u02_killed_at_any_moment_nothing_is_done_or_all_of_it(stage: Scene) -> None:
    require_strace()
    stage.rolled_out(KILLED, replace(KILLED, image="app:2.0"))
    undos = Undos(stage)
    for call in CALLS:
        last = undos.last_call(call)
        for number in range(last - BEFORE_THE_LAST, last):
            undos.is_killed_at(call, number)
    assert undos.killed >= 2 * BEFORE_THE_LAST
    assert len(undos.written) >= 2
    check_history(stage, undos.written)
    stage.examined()


def check_history(stage: Scene, written: dict[int, str]) -> None:
    """Who, why, from, to and what became of it, of each undo that was written."""
    rows = stage.line.items("history", "sts/killed", "-n", stage.namespace)
    told = {each["generation"]: each for each in rows}
    for generation, reason in written.items():
        each = told[generation]
        assert (each["trigger"], each["reason"], each["status"]) == ("undo", reason, "complete")
        assert each["undo_of"] == each["number"] - 2
        assert (each["actor"], each["basis"]) == (ALICE, "exact")


def test_a_later_edit_that_carries_the_annotation_along_is_no_undo(stage: Scene) -> None:
    later = replace(KILLED, name="later", replicas=0)
    stage.rolled_out(later, replace(later, image="app:2.0"))
    assert stage.undo("sts/later", "--to-revision", "1", "-y", "--ticket", "INC-7").exit == 0
    stage.recorded()
    stage.driver.run("set", "image", "sts/later", "app=app:2.0")
    stage.recorded()
    assert intent_of(stage.raw_set("later"))["ticket"] == "INC-7"
    rows = stage.line.items("history", "sts/later", "-n", stage.namespace)
    told = [(each["number"], each["trigger"], each["ticket"]) for each in rows]
    assert told[:2] == [(4, "return", None), (3, "undo", "INC-7")]
