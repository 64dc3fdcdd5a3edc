"""Twenty restarts of the real API server and of the real broker, in the midst of a scenario."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.breaking import QUICKLY
from tests.faults import row
from tests.lab.broker import Broker
from tests.lab.cluster import Cluster
from tests.lab.control_plane import ControlPlane
from tests.lab.patient import PatientDriver
from tests.lab.process import wait_until
from tests.lab.random_scenario import IMAGES
from tests.lab.topics import Topics
from tests.lab.users import WATCHER
from tests.line import Line
from tests.real import (
    WEB,
    State,
    ask,
    check_as_kubectl,
    end,
    missed_in_silence,
    share_keys,
    states,
    written,
)

RESTARTS = 20
STEPS = 40
UP_SECONDS = (0.5, 2.5)
PAUSE_SECONDS = (1.0, 3.0)
SETTLE_SECONDS = 120.0
CONTROLLERS_EVERY = 4
"""Controllers wait longer after each outage; elsewhere they end when they lose their lease, and are
started again."""


@row("W15", how="kill -9 and SIGTERM in turn, 20 times each, kube-apiserver and Kafka", part="real")
@pytest.mark.kafka
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [15])
def test_w15_recording_stays_right_through_twenty_restarts_of_api_server_and_broker(
    control_plane: Cluster, broker: Topics, tmp_path: Path, seed: int
) -> None:
    if not isinstance(control_plane, ControlPlane) or not isinstance(broker, Broker):
        pytest.skip("an outside cluster or broker is not ours to restart")
    with ControlPlane() as plane, Broker(properties=QUICKLY) as own_broker:
        plane.make_volumes(6)
        own_broker.create_topic("recorded")
        kafka = f"kafka://{own_broker.address}/recorded"
        kubeconfig = plane.kubeconfig(WATCHER)
        lines = [
            Line(tmp_path / "embedded", kubeconfig, "default"),
            Line(tmp_path / "kafka", kubeconfig, "default", log=kafka),
        ]
        share_keys(lines)
        driver = PatientDriver(plane, "default", settle_seconds=SETTLE_SECONDS)
        with lines[0], lines[1]:
            with restarts(plane, own_broker, seed) as are_over:
                play(driver, seed, until=are_over)
            driver.settled()
            for line in lines:
                line.wait_for(driver.live_versions(), seconds=SETTLE_SECONDS)
                check_as_kubectl(driver, line, WEB.name)
            check_nothing_is_lost_in_silence(plane, lines)
            for line in lines:
                end(line)


def check_nothing_is_lost_in_silence(plane: ControlPlane, lines: list[Line]) -> None:
    """What one ledger or the API server's audit log knows is in every ledger or in a gap of it."""
    wait_until(lambda: not any(map(open_gaps, lines)), what="gaps to be closed", seconds=60)
    known: set[State] = written(plane, "default")
    assert len({state.version for state in known}) > STEPS
    for line in lines:
        known |= states(line, "default")
    assert [missed_in_silence(line, known, "default") for line in lines] == [[], []]


def open_gaps(line: Line) -> list[tuple[object, ...]]:
    """The gaps that no list has closed yet: after the last outage, one may be a while away."""
    return ask(line, "select kind, cause from gaps where closed_at is null")


def play(driver: PatientDriver, seed: int, *, until: Callable[[], bool]) -> None:
    """At least `STEPS` steps that people may take any time, until the restarts are over."""
    dice, pause, number = random.Random(seed), threading.Event(), 0
    driver.run("apply", "-f", "-", stdin=WEB.manifest())
    while number < STEPS or not until():
        number += 1
        driver.step = f"{number:03}"
        if number % (STEPS // 2) == 0:
            driver.run("delete", "sts", WEB.name, "--ignore-not-found")
            edition = replace(WEB, image=dice.choice(IMAGES))
            driver.run("apply", "-f", "-", stdin=edition.manifest())
        else:
            driver.run(*next_step(dice))
        pause.wait(dice.uniform(*PAUSE_SECONDS))


def next_step(dice: random.Random) -> tuple[str, ...]:
    """A change of the set that may be made twice."""
    name = f"sts/{WEB.name}"
    return dice.choice(
        (
            ("set", "image", name, f"app={dice.choice(IMAGES)}"),
            ("set", "env", name, f"LEVEL={dice.randint(1, 9)}"),
            ("scale", name, f"--replicas={dice.randint(1, 3)}"),
            (
                "annotate",
                name,
                f"kubernetes.io/change-cause=CHG-{dice.randint(1, 99)}",
                "--overwrite",
            ),
            ("rollout", "restart", name),
        )
    )


@contextmanager
def restarts(plane: ControlPlane, broker: Broker, seed: int) -> Iterator[Callable[[], bool]]:
    """Restart both at random moments, each in a thread of its own; gives whether it is over."""

    def restart_apiserver(number: int) -> None:
        if number % 2:
            plane.restart_apiserver()
        else:
            plane.kill_apiserver()
            plane.start_apiserver()
        if number % CONTROLLERS_EVERY == CONTROLLERS_EVERY - 1:
            plane.restart_controllers()

    def restart_broker(number: int) -> None:
        if number % 2:
            broker.restart()
        else:
            broker.kill()
            broker.start()

    with ThreadPoolExecutor(2) as pool:
        works = [
            pool.submit(again_and_again, restart, random.Random(f"{seed} {restart.__name__}"))
            for restart in (restart_apiserver, restart_broker)
        ]
        yield lambda: all(map(Future.done, works))
        for work in works:
            work.result()


def again_and_again(restart: Callable[[int], None], dice: random.Random) -> None:
    """Restart `RESTARTS` times, with random pauses between."""
    pause = threading.Event()
    for number in range(RESTARTS):
        pause.wait(dice.uniform(*UP_SECONDS))
        restart(number)
