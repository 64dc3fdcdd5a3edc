"""kubectl is the oracle: after every step of a real scenario, `history` and `status` say with
`-o kubectl` what kubectl says, pods, claims and volumes are as the API has them, and `history`
keeps what kubectl has forgotten.
"""

from __future__ import annotations

import io
import random
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from ledger.cli import run
from tests.expected import Expected
from tests.faults import row
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.scenario import Step
from tests.lab.scenarios import TUTORIAL, random_steps
from tests.lab.topics import Topics
from tests.lab.users import WATCHER
from tests.line import Line
from tests.live_state import differences
from tests.normal_form import normal_form
from tests.real import end

REDACTED = "hunter2"
KILLS = 20
CI_STEPS = 40
ACCEPTANCE_STEPS = 200


@pytest.fixture
def lines(
    control_plane: Cluster, broker: Topics, topic: str, namespace: str, tmp_path: Path
) -> Iterator[list[Line]]:
    """Two installations watching one namespace: one with the embedded log, one with Kafka."""
    kubeconfig = control_plane.kubeconfig(WATCHER)
    embedded = Line(tmp_path / "embedded", kubeconfig, namespace)
    kafka = Line(tmp_path / "kafka", kubeconfig, namespace, log=f"kafka://{broker.address}/{topic}")
    embedded.make_keys()
    shutil.copytree(embedded.data / "keys", kafka.data / "keys")
    with embedded, kafka:
        yield [embedded, kafka]


@pytest.mark.timeout(600)
def test_every_step_of_the_tutorial_reads_as_kubectl_reads_it(
    driver: Driver, lines: list[Line]
) -> None:
    expected = play(driver, lines, TUTORIAL.steps, names=("web", "db"))
    check_histories(expected, driver, lines)
    forms = [normal_form(line.ledger) for line in lines]
    assert forms[0] == forms[1]


@row("W16", how="SIGKILL of the watcher or consumer, 20 times at random moments", part="real")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [7])
def test_w16_a_random_scenario_survives_twenty_kills_of_watcher_and_consumer(
    driver: Driver, lines: list[Line], seed: int
) -> None:
    killed, undisturbed = lines
    with kills(killed, KILLS, seed):
        expected = play(driver, lines, random_steps(seed, CI_STEPS), names=("web",), seconds=20)
    check_histories(expected, driver, lines)
    assert killed.items("gaps") == []
    assert normal_form(killed.ledger) == normal_form(undisturbed.ledger)
    for line in lines:
        end(line)


@pytest.mark.acceptance
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("seed", [101, 102, 103])
def test_two_hundred_random_steps_read_as_kubectl_reads_them(
    driver: Driver, lines: list[Line], seed: int
) -> None:
    steps = random_steps(seed, ACCEPTANCE_STEPS)
    expected = play(driver, lines, steps, names=("web",))
    check_histories(expected, driver, lines)
    assert normal_form(lines[0].ledger) == normal_form(lines[1].ledger)


def play(
    driver: Driver,
    lines: Sequence[Line],
    steps: Sequence[Step],
    *,
    names: Sequence[str],
    seconds: float = 5,
) -> Expected:
    """Run the steps; after each wait for the ledgers, then compare once."""
    expected = Expected()
    for step in steps:
        step.run(driver)
        expected.look(driver, step.name)
        snapshot = driver.snapshot()
        for line in lines:
            line.wait_for(snapshot.versions(), seconds=seconds)
            assert differences(snapshot, line.ledger, driver.namespace) == [], step.name
            for name in names:
                compare(driver, line, name, step.name)
                compare_status(driver, line, name, step.name)
    return expected


def check_histories(expected: Expected, driver: Driver, lines: Sequence[Line]) -> None:
    """Every revision that ever was is there, with its trigger and origin."""
    for line in lines:
        line.wait_for(driver.live_versions(), seconds=20)
        items = line.items("history", "-n", driver.namespace, "--all-incarnations")
        assert expected.differences(items) == []


def compare(driver: Driver, line: Line, name: str, step: str) -> None:
    """kubectl's words against ours, byte for byte, and its exit code."""
    oracle = driver.history_command(name)
    if REDACTED in oracle.stdout:
        return
    told = line.attempt("history", f"sts/{name}", "-n", driver.namespace, "-o", "kubectl")
    assert (told.returncode, told.stdout) == (oracle.exit, oracle.stdout), step
    if oracle.exit:
        assert told.stderr.splitlines()[0] == oracle.stderr.splitlines()[0], step


def compare_status(driver: Driver, line: Line, name: str, step: str) -> None:
    """The same for `rollout status --watch=false`; in this process, for speed."""
    oracle = driver.status_command(name)
    said, failed = io.StringIO(), io.StringIO()
    asked = ["status", f"sts/{name}", "-n", driver.namespace, "--ledger", str(line.ledger)]
    with redirect_stdout(said), redirect_stderr(failed):
        code = run([*asked, "-o", "kubectl", "--watch=false"])
    assert (code, said.getvalue()) == (oracle.exit, oracle.stdout), step
    if oracle.exit:
        assert failed.getvalue().splitlines()[0] == oracle.stderr.splitlines()[0], step


@contextmanager
def kills(line: Line, count: int, seed: int) -> Iterator[None]:
    """SIGKILL the watcher or the consumer at random moments, and start it again at once."""
    dice, over = random.Random(seed), threading.Event()
    done: list[str] = []

    def kill() -> None:
        while len(done) < count and not over.wait(dice.uniform(0.2, 1.2)):
            part = dice.choice(("watch", "consume"))
            line.kill(part)
            line.start(part)
            done.append(part)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert len(done) == count
