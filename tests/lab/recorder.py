"""Records a scenario on a control plane of its own: streams, audit log and steps.

The recording holds what the watcher's user was told, what the audit log said and what
people did, in the order in which it arrived here. After each step the watcher asks
`kubectl rollout history` and `rollout status` for every StatefulSet, so a recording can
be replayed against what kubectl really printed at that point.

    python -m tests.lab.recorder tutorial|demo|rollouts|volumes|writers

Beside the recording of `writers` stands what each really did, by its driver's own book.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from tests.lab.api import Api
from tests.lab.book import Book
from tests.lab.control_plane import ControlPlane, Pace
from tests.lab.driver import Command, Driver
from tests.lab.operator import Operator
from tests.lab.process import LabError
from tests.lab.recording import STREAMS, Recording, book_of, read_recording
from tests.lab.scenario import Scenario, Step
from tests.lab.scenarios import DEMO, ROLLOUTS, TUTORIAL, VOLUMES
from tests.lab.settling import WATCHED
from tests.lab.streams import Streams
from tests.lab.users import ADMIN, WATCHER
from tests.lab.writers_scenario import Writers

__all__ = ["read_recording", "record"]

SCENARIOS = (TUTORIAL, DEMO, ROLLOUTS, VOLUMES)
PACES = {
    "tutorial": Pace(),
    "rollouts": Pace(),
    "volumes": Pace(),
    "demo": Pace(ready_seconds=(5.0, 30.0), delete_seconds=(1.0, 3.0)),
}
WRITERS, SEED, RECORDED_ROUNDS = "writers", 4, 3
OURS = Path(__file__).parent.parent.parent / "compose" / "kubernetes" / "audit-policy.yaml"
"""The audit policy that the product asks for."""

DELIVERY_SECONDS = 10.0
TAIL_SECONDS = 0.05


def record(scenario: Scenario, path: Path, *, pace: Pace) -> None:
    """Run the scenario on a fresh control plane and leave its recording at `path`."""
    with ControlPlane(pace=pace) as control_plane:
        namespaces = scenario.namespaces or ("default",)
        for name in namespaces:
            control_plane.make_namespace(name)
        driver = Driver(control_plane, namespaces[0], settle_seconds=300)
        _record_on(control_plane, driver, scenario, path)


def record_writers(path: Path) -> None:
    """Record the story of several writers, and leave their book beside it."""
    with ControlPlane(audit_policy=OURS) as control_plane:
        driver = Driver(control_plane, "default")
        with Operator(control_plane, driver.namespace) as operator:
            book = Book(driver, operator)
            writers = Writers(book, control_plane, seed=SEED, rounds=RECORDED_ROUNDS)
            steps = [Step(name, _act(act)) for name, act in writers.acts()]
            _record_on(control_plane, driver, Scenario("writers", tuple(steps), 6), path)
        book_of(path).write_text(book.told(), "utf-8")


def _act(act: Callable[[], None]) -> Callable[[Driver], None]:
    return lambda _: act()


def _record_on(control_plane: ControlPlane, driver: Driver, scenario: Scenario, path: Path) -> None:
    control_plane.make_volumes(scenario.volumes, storage_class=scenario.storage_class)
    header = _header(Api(control_plane.kubeconfig(WATCHER)))
    with Recording(path, header=header) as recording:
        asyncio.run(_record(scenario, driver, control_plane, recording))
        recording.finish(forbidden=control_plane.credentials())


async def _record(
    scenario: Scenario, driver: Driver, control_plane: ControlPlane, recording: Recording
) -> None:
    """Listen while the scenario runs in a thread of its own."""

    def heard(op: str, stream: str, raw: str) -> None:
        recording.add(op, raw, stream=stream)

    streams = Streams(Api(control_plane.kubeconfig(WATCHER)), heard)
    oracle = Oracle(Api(control_plane.kubeconfig(ADMIN)), streams, driver)
    driver.listeners.append(lambda command: _add_step(recording, command))
    async with _running(streams, control_plane.audit_log, recording):
        for number, step in enumerate(scenario.steps, 1):
            began = time.monotonic()
            await asyncio.to_thread(oracle.run, step)
            print(f"{number:3} {time.monotonic() - began:6.1f} s  {step.name}", flush=True)
        await asyncio.sleep(1.0)


@contextlib.asynccontextmanager
async def _running(streams: Streams, audit_log: Path, recording: Recording) -> AsyncIterator[None]:
    """Every stream is listed on entry, followed inside, and left at the end."""
    listed = asyncio.Event()
    following = [
        asyncio.create_task(streams.follow(listed)),
        asyncio.create_task(_tail(audit_log, recording)),
    ]
    await asyncio.wait(
        [asyncio.create_task(listed.wait()), following[0]], return_when="FIRST_COMPLETED"
    )
    try:
        yield
        failed = [task for task in following if task.done()]
        for task in failed:
            task.result()
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)


async def _tail(audit_log: Path, recording: Recording) -> None:
    """Record every complete line of the audit log as it grows, from its end as of now."""
    with audit_log.open("rb") as handle:
        handle.seek(0, 2)
        rest = b""
        while True:
            *complete, rest = (rest + handle.read()).split(b"\n")
            for line in complete:
                recording.add("audit", line.decode())
            await asyncio.sleep(TAIL_SECONDS)


class Oracle:
    """Asks kubectl after each step, at a moment when all it saw had been delivered."""

    def __init__(self, api: Api, streams: Streams, driver: Driver) -> None:
        """Compare what `api` lists with what `streams` heard."""
        self.api = api
        self.streams = streams
        self.driver = driver

    def run(self, step: Step) -> None:
        """Run the step, then record what kubectl says about every StatefulSet."""
        step.run(self.driver)
        kinds = WATCHED if step.settles else ("controllerrevisions",)
        deadline = time.monotonic() + DELIVERY_SECONDS
        while time.monotonic() < deadline:
            before = self._live(kinds)
            if all(self.streams.versions[kind] == before[kind] for kind in kinds):
                answers = self._answers()
                if self._live(kinds) == before:
                    for command in answers:
                        self.driver.remember(command)
                    return
            time.sleep(TAIL_SECONDS)
        raise LabError(f"{step.name}: the streams never caught up with the API")

    def _live(self, kinds: tuple[str, ...]) -> dict[str, dict[str, str]]:
        """The resourceVersion of every live object, by kind and uid."""
        metadata = {kind: [item["metadata"] for item in self.api.items(kind)] for kind in kinds}
        return {
            kind: {row["uid"]: row["resourceVersion"] for row in rows}
            for kind, rows in metadata.items()
        }

    def _answers(self) -> list[Command]:
        """`kubectl rollout history` and `rollout status` of every live StatefulSet."""
        sets = [item["metadata"] for item in self.api.items("statefulsets")]
        return [
            ask(row["name"], namespace=row["namespace"])
            for row in sets
            for ask in (self.driver.history_command, self.driver.status_command)
        ]


def _add_step(recording: Recording, command: Command) -> None:
    """Record what somebody did."""
    recording.add("step", json.dumps(command.document(), ensure_ascii=False))


def _header(api: Api) -> dict[str, str]:
    """Which cluster this is."""
    return {
        "kubernetes": api.get("/version")["gitVersion"],
        "cluster": api.get("/api/v1/namespaces/kube-system")["metadata"]["uid"],
    }


def main(arguments: list[str]) -> int:
    """Record the scenarios named on the command line into tests/streams."""
    scenarios = {scenario.name: scenario for scenario in SCENARIOS}
    names = (*scenarios, WRITERS)
    if not arguments or any(name not in names for name in arguments):
        print(f"usage: python -m tests.lab.recorder {'|'.join(names)}", file=sys.stderr)
        return 2
    STREAMS.mkdir(exist_ok=True)
    for name in arguments:
        path = STREAMS / f"{name}.jsonl.zst"
        if name == WRITERS:
            record_writers(path)
        else:
            record(scenarios[name], path, pace=PACES[name])
        print(f"{path.name}: {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
