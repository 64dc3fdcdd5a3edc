"""Five identities write, in one another's way: what each really did is written down as it happens.

The book notes who ran a command and what the API held before and after it, and nothing of what the
command was called, so what a ledger says about authors can be held against it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from tests.lab.control_plane import ControlPlane
from tests.lab.driver import Driver
from tests.lab.settling import Raw
from tests.lab.users import ADMIN, ALICE, BOB, DEPLOYER, OPERATOR
from tests.lab.workloads import Workload

WEB = Workload("web", "nginx:1.24", replicas=1, claims=0, env={"LEVEL": "info", "MODE": "a"})
NAMES = ("web", "db", "cache")
PEOPLE = (ALICE, BOB, DEPLOYER, OPERATOR)
REPLICAS = ("1", "2")


@dataclass(frozen=True)
class Who:
    """Who really asked, and as whom."""

    user: str
    impersonated: str = ""

    def options(self) -> tuple[str, ...]:
        """kubectl's options for it."""
        return (f"--as={self.impersonated}",) if self.impersonated else ()


IMPERSONATOR = Who(ADMIN, ALICE)


@dataclass
class Book:
    """Runs commands and keeps: who wrote which generation of which set, and who deleted what."""

    driver: Driver
    writes: dict[tuple[str, int], Who] = field(default_factory=dict)
    deletions: dict[str, Who] = field(default_factory=dict)
    dry_runs: int = 0
    no_ops: int = 0
    collections: int = 0

    def do(self, who: Who, *arguments: str, stdin: str = "", deletes: str = "") -> None:
        """Run a command that changes something; `deletes` names the kind it deletes."""
        before = self._sets()
        gone = self._uids(deletes) if deletes else {}
        self.driver.run(*arguments, *who.options(), user=who.user, stdin=stdin)
        for uid, generation in self._sets().items():
            for each in range(before.get(uid, 0) + 1, generation + 1):
                self.writes[uid, each] = who
        left = self._uids(deletes) if deletes else {}
        for uid, is_going in gone.items():
            if not is_going and left.get(uid, True):
                self.deletions[uid] = who

    def dry_run(self, who: Who, *arguments: str, stdin: str = "") -> None:
        """Ask the server what it would do."""
        self._nothing(who, *arguments, "--dry-run=server", stdin=stdin)
        self.dry_runs += 1

    def no_op(self, who: Who, *arguments: str, stdin: str = "") -> None:
        """Ask for what is so already."""
        self._nothing(who, *arguments, stdin=stdin)
        self.no_ops += 1

    def _nothing(self, who: Who, *arguments: str, stdin: str) -> None:
        before = self._sets()
        self.driver.attempt(*arguments, *who.options(), user=who.user, stdin=stdin)
        assert self._sets() == before, arguments

    def _sets(self) -> dict[str, int]:
        return {
            row["metadata"]["uid"]: row["metadata"]["generation"]
            for row in self._items("statefulsets")
        }

    def _uids(self, kind: str) -> dict[str, bool]:
        """The objects of a kind, and whether they are on their way out."""
        return {
            row["metadata"]["uid"]: "deletionTimestamp" in row["metadata"]
            for row in self._items(kind)
        }

    def _items(self, kind: str) -> list[Raw]:
        return self.driver.api.items(kind, self.driver.namespace)


def play(book: Book, plane: ControlPlane, seed: int, *, rounds: int = 10) -> None:
    """At least 40 writes, twice as many that write nothing, and five deletions of collections."""
    dice = random.Random(seed)
    for name in NAMES:
        who = Who(dice.choice(PEOPLE))
        made = replace(WEB, name=name).manifest()
        book.do(who, "apply", "--server-side", "-f", "-", stdin=made)
    book.driver.settled(*NAMES)
    for number in range(rounds):
        asleep: AbstractContextManager[None] = nullcontext()
        if number % 2:
            # With nobody to answer, a dry run is answered with the very version of the write.
            asleep = plane.controllers_asleep()
        with asleep:
            _round(book, dice, number)
        if number % 2 == 0:
            book.driver.settled(*NAMES)
            _collection(book, dice)


def _round(book: Book, dice: random.Random, number: int) -> None:
    name = NAMES[number % len(NAMES)]
    writers = [*map(Who, dice.sample(PEOPLE, 3)), IMPERSONATOR]
    kinds = dice.sample(list(_writes(name, number)), 4)
    for who, arguments in zip(writers, kinds, strict=True):
        others = [each for each in PEOPLE if each != who.user]
        book.do(who, *arguments)
        # The same at once by somebody else, who changes nothing by it.
        book.no_op(Who(dice.choice(others)), *arguments)
        book.dry_run(Who(dice.choice(others)), "set", "image", f"sts/{name}", "app=nginx:1.99")
    first, second = dice.sample(PEOPLE, 2)
    book.do(Who(first), "set", "image", f"sts/{name}", f"app=nginx:1.{number}0")
    book.do(Who(second), "set", "image", f"sts/{name}", f"app=nginx:1.{number}1")
    undoer = Who(dice.choice(PEOPLE))
    book.dry_run(Who(first), "rollout", "undo", f"sts/{name}")
    if number % 2 == 0:
        book.driver.settled(name)
        book.do(undoer, "rollout", "undo", f"sts/{name}")


def _writes(name: str, number: int) -> Iterator[tuple[str, ...]]:
    """Different ways to write, each of which changes nothing when it is done again."""
    target = f"sts/{name}"
    yield ("set", "image", target, f"app=nginx:1.2{number}")
    yield ("set", "env", target, f"LEVEL=l{number}")
    yield ("set", "env", target, f"EXTRA_{number}=1")
    yield ("set", "env", target, f"EXTRA_{number - 1}-")
    yield ("scale", target, f"--replicas={REPLICAS[number % 2]}")
    yield ("patch", target, "-p", _spec(revisionHistoryLimit=number + 2))
    yield ("patch", target, "--type=merge", "-p", _spec(minReadySeconds=number % 3 + 1))
    partition = {"rollingUpdate": {"partition": number % 2}}
    yield ("patch", target, "-p", _spec(updateStrategy=partition))
    grace = [
        {
            "op": "replace",
            "path": "/spec/template/spec/terminationGracePeriodSeconds",
            "value": 3 + number,
        }
    ]
    yield ("patch", target, "--type=json", "-p", json.dumps(grace))


def _collection(book: Book, dice: random.Random) -> None:
    """One request that deletes every pod of a set."""
    name = dice.choice(NAMES)
    path = f"/api/v1/namespaces/{book.driver.namespace}/pods?labelSelector=app%3D{name}"
    book.do(Who(dice.choice(PEOPLE)), "delete", "--raw", path, deletes="pods")
    book.collections += 1
    book.driver.settled(*NAMES)


def _spec(**fields: Any) -> str:
    return json.dumps({"spec": fields})
