"""Two hundred undos against somebody who changes the set all the time, and a busy controller."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ledger.undo import Previous, Wish, apply, plan
from ledger.undo.patch import UNDO_ANNOTATION
from tests.lab.api import Api
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.users import ADMIN, BOB
from tests.lab.workloads import Workload
from tests.undoing import connected

UNDOS = 200
RACED = Workload("raced", "app:1.0", replicas=0, claims=0)
MARK = "example.com/mark"


@dataclass
class Writer:
    """Somebody who changes the template, the spec or the annotations at random moments."""

    api: Api
    path: str
    dice: random.Random
    stop: threading.Event = field(default_factory=threading.Event)
    generations: list[int] = field(default_factory=list)
    """Of the states that its writes left."""

    mark: str = ""
    """What its last write put into the annotations."""

    def run(self) -> None:
        """Write until told to stop."""
        number = 0
        while not self.stop.wait(self.dice.uniform(0.0, 0.12)):
            number += 1
            self.mark = str(number)
            change: dict[str, Any] = {"metadata": {"annotations": {MARK: self.mark}}}
            match self.dice.randrange(3):
                case 0:
                    marked = {"metadata": {"annotations": {MARK: self.mark}}}
                    change["spec"] = {"template": marked}
                case 1:
                    change["spec"] = {"minReadySeconds": number}
            self.generations.append(self.api.patch(self.path, change)["metadata"]["generation"])


def keep_busy(api: Api, path: str, stop: threading.Event) -> None:
    """Change the status all the time, as a controller at work does."""
    number = 0
    while not stop.is_set():
        number += 1
        condition = {"type": "Busy", "status": "True", "reason": f"N{number}"}
        api.patch(f"{path}/status", {"status": {"conditions": [condition]}})


@contextlib.contextmanager
def disturbed(driver: Driver, seed: int) -> Iterator[Writer]:
    """The set, written to and reported on until the end."""
    path = driver.path("statefulsets", "raced")
    writer = Writer(Api(driver.cluster.kubeconfig(BOB)), path, random.Random(seed))
    busy = Api(driver.cluster.kubeconfig(ADMIN))
    threads = [
        threading.Thread(target=writer.run),
        threading.Thread(target=keep_busy, args=(busy, path, writer.stop)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield writer
    finally:
        writer.stop.set()
        for thread in threads:
            thread.join()
        for api in (writer.api, busy):
            api.close()


@pytest.mark.timeout(300)
async def test_no_foreign_change_is_lost_and_no_status_update_is_in_the_way(
    driver: Driver, control_plane: Cluster, namespace: str
) -> None:
    for tag in ("1.0", "2.0"):
        driver.run("apply", "-f", "-", stdin=replace(RACED, image=f"app:{tag}").manifest())
        driver.settled("raced")
    first = driver.get("statefulsets", "raced")["metadata"]["generation"]
    endings: Counter[str] = Counter()
    ours: list[int] = []
    with disturbed(driver, seed=7) as writer:
        async with connected(control_plane) as connection:
            for _ in range(UNDOS):
                made = await plan(connection, Wish(namespace, "raced", Previous()))
                outcome = await apply(connection, made)
                endings[outcome.ending] += 1
                if outcome.ending == "rolled back":
                    assert outcome.generation == made.live.status.generation + 1
                    ours.append(outcome.generation)
                await asyncio.sleep(0)
    raw_set = driver.get("statefulsets", "raced")
    assert endings.keys() <= {"rolled back", "skipped", "changed meanwhile"}
    assert endings["rolled back"] >= 20, endings
    assert endings["changed meanwhile"] >= 10, endings
    theirs = {each for each in writer.generations if each not in ours} - {first}
    assert sorted({*theirs, *ours}) == list(range(first + 1, raw_set["metadata"]["generation"] + 1))
    annotations = raw_set["metadata"]["annotations"]
    assert annotations[MARK] == writer.mark
    assert json.loads(annotations[UNDO_ANNOTATION])["baseGeneration"] == ours[-1] - 1
