"""Five identities write, in one another's way, by every way there is: a story for attribution."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from tests.lab.book import Book, Who
from tests.lab.control_plane import ControlPlane
from tests.lab.users import ADMIN, ALICE, BOB, DEPLOYER, OPERATOR
from tests.lab.workloads import Workload

WEB = Workload("web", "nginx:1.24", replicas=1, claims=0, env={"LEVEL": "info", "MODE": "a"})
DB = replace(WEB, name="db", claims=1)
CACHE = replace(WEB, name="cache")
NAMES = ("web", "db", "cache")
PEOPLE = (ALICE, BOB, DEPLOYER)
REPLICAS = ("2", "1")
IMPERSONATOR = Who(ADMIN, ALICE)
GRACE = "/spec/template/spec/terminationGracePeriodSeconds"


@dataclass
class Writers:
    """The story, in acts that each end at rest; `seed` decides who does what."""

    book: Book
    plane: ControlPlane
    seed: int
    rounds: int
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def acts(self) -> Iterator[tuple[str, Callable[[], None]]]:
        """What happens, by name, in order."""
        yield "three sets are made", self._made
        for number in range(self.rounds):
            yield f"round {number}", partial(self._round, number)
        yield "a rollout is restarted, and a manifest applied again", self._applied
        yield "an operator undoes what people set", self._operated
        yield "pods and claims are deleted", self._deleted
        yield "collections are deleted", self._collections
        yield "sets are deleted in every way", self._ended

    def _made(self) -> None:
        self.book.do(Who(DEPLOYER), "apply", "--server-side", "-f", "-", stdin=WEB.manifest())
        self.book.do(Who(ALICE), "apply", "-f", "-", stdin=DB.manifest())
        self.book.do(Who(BOB), "create", "-f", "-", stdin=CACHE.manifest())
        self._settled()

    def _round(self, number: int) -> None:
        asleep: AbstractContextManager[None] = nullcontext()
        if number % 2:
            # With nobody to answer, a dry run is answered with the very version of the write.
            asleep = self.plane.controllers_asleep()
        with asleep:
            self._writes(NAMES[number % len(NAMES)], number)
        self._settled()

    def _writes(self, name: str, number: int) -> None:
        book, dice, target = self.book, self.dice, f"sts/{name}"
        writers = [*map(Who, dice.sample(PEOPLE, 3)), IMPERSONATOR]
        chosen = dice.sample(list(_ways(name, number)), len(writers))
        for who, arguments in zip(writers, chosen, strict=True):
            others = [Who(each) for each in PEOPLE if each != who.user]
            book.do(who, *arguments)
            # The same at once by somebody else, who changes nothing by it.
            book.nothing("no-op", dice.choice(others), *arguments)
            asked = ("set", "image", target, "app=nginx:1.99", "--dry-run=server")
            book.nothing("dry run", dice.choice(others), *asked)
        first, second = map(Who, dice.sample(PEOPLE, 2))
        book.do(first, "set", "image", target, f"app=nginx:1.{number}0")
        book.do(second, "set", "image", target, f"app=nginx:1.{number}1")
        book.nothing("dry run", first, "rollout", "undo", target, "--dry-run=server")
        if number % 2 == 0:
            book.driver.settled(name)
            book.do(self._anybody(), "rollout", "undo", target)

    def _applied(self) -> None:
        book = self.book
        book.do(Who(BOB), "rollout", "restart", "sts/web")
        # What the manifest no longer has is removed by whoever applied it before.
        fewer = replace(DB, image="nginx:1.25", env={"LEVEL": "debug"}, annotations={"team": "x"})
        book.do(Who(DEPLOYER), "apply", "-f", "-", stdin=fewer.manifest())
        mine = replace(WEB, image="nginx:1.26", env={"LEVEL": "warn"})
        forced = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        book.do(Who(ALICE), *forced, stdin=mine.manifest())
        book.nothing("no-op", Who(DEPLOYER), *forced, stdin=mine.manifest())
        book.nothing("dry run", Who(BOB), *forced, "--dry-run=server", stdin=WEB.manifest())
        whole = replace(CACHE, image="nginx:1.27").manifest()
        book.do(Who(BOB), "replace", "-f", "-", stdin=whole)
        self._settled()

    def _operated(self) -> None:
        for who in (Who(ALICE), Who(BOB), IMPERSONATOR):
            partitioned = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
            self.book.do(who, "patch", "sts/cache", "-p", _spec(updateStrategy=partitioned))
            self._settled("cache")

    def _deleted(self) -> None:
        book, namespace = self.book, self.book.driver.namespace
        book.do(Who(ALICE), "delete", "pod", "web-0", "--wait=false", deletes="pods")
        self._settled("web")
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": "cache-0", "namespace": namespace},
        }
        path = f"/api/v1/namespaces/{namespace}/pods/cache-0/eviction"
        made = ("create", "--raw", path, "-f", "-")
        book.nothing("dry run", Who(ALICE), *made, stdin=json.dumps(_dry(eviction)))
        book.do(Who(BOB), *made, stdin=json.dumps(eviction), deletes="pods")
        self._settled("cache")
        forced = ("--force", "--grace-period=0", "--wait=false")
        with self.plane.controllers_asleep():
            # Or, where kubelets are this quick, its successor may be deleted by the same request.
            book.do(IMPERSONATOR, "delete", "pod", "web-0", *forced, deletes="pods")
        self._settled("web")
        # In use: it ends when its pod does, and a second request changes nothing.
        claims = "persistentvolumeclaims"
        gone = ("delete", "pvc", "data-db-0", "--wait=false")
        book.nothing("dry run", Who(ALICE), *gone, "--dry-run=server")
        book.do(Who(DEPLOYER), *gone, deletes=claims)
        book.nothing("no-op", Who(BOB), *gone)
        book.do(Who(BOB), "delete", "pod", "db-0", "--wait=false", deletes="pods")
        self._settled("db")

    def _collections(self) -> None:
        book = self.book
        for who, name in zip(PEOPLE, NAMES, strict=True):
            self._collected(Who(who), "/api/v1", "pods", name)
            self._settled()
        book.do(Who(ALICE), "scale", "sts/db", "--replicas=0")
        self._settled()
        self._collected(Who(BOB), "/api/v1", "persistentvolumeclaims", "db")
        self._settled()

    def _ended(self) -> None:
        book = self.book
        self._collected(IMPERSONATOR, "/apis/apps/v1", "statefulsets", "db")
        orphaned = ("delete", "sts", "web", "--cascade=orphan", "--wait=false")
        book.do(Who(DEPLOYER), *orphaned, deletes="statefulsets")
        book.driver.wait_for(lambda now: not _named(now.raw, "web"), "an orphan delete")
        book.do(Who(BOB), "apply", "-f", "-", stdin=replace(WEB, image="nginx:2.0").manifest())
        self._settled()
        for who, name, cascade in ((ALICE, "cache", "foreground"), (BOB, "web", "background")):
            gone = ("delete", "sts", name, f"--cascade={cascade}", "--wait=false")
            book.nothing("dry run", Who(OPERATOR), *gone, "--dry-run=server")
            book.do(Who(who), *gone, deletes="statefulsets")
        book.driver.wait_for(lambda now: not now.raw["pods"], "the last pods to go")

    def _collected(self, who: Who, group: str, kind: str, name: str) -> None:
        path = f"{group}/namespaces/{self.book.driver.namespace}/{kind}?labelSelector=app%3D{name}"
        self.book.do(who, "delete", "--raw", path, deletes=kind)
        self.book.counts["collection"] += 1

    def _anybody(self) -> Who:
        return Who(self.dice.choice(PEOPLE))

    def _settled(self, *names: str) -> None:
        self.book.driver.settled(*names)


def _ways(name: str, number: int) -> Iterator[tuple[str, ...]]:
    """Different ways to write, each of which changes nothing when it is done again."""
    target = f"sts/{name}"
    yield ("set", "image", target, f"app=nginx:1.2{number}")
    yield ("set", "env", target, f"LEVEL=l{number}")
    yield ("set", "env", target, f"EXTRA_{number}=1")
    yield ("scale", target, f"--replicas={REPLICAS[number // len(NAMES) % 2]}")
    yield ("patch", target, "-p", _spec(revisionHistoryLimit=number + 2))
    yield ("set", "env", target, "MODE-")
    labelled = {"metadata": {"labels": {"round": f"r{number}"}}}
    yield ("patch", target, "--type=merge", "-p", _spec(template=labelled))
    grace = [{"op": "replace", "path": GRACE, "value": 3 + number}]
    yield ("patch", target, "--type=json", "-p", json.dumps(grace))


def _spec(**fields: Any) -> str:
    return json.dumps({"spec": fields})


def _dry(eviction: dict[str, Any]) -> dict[str, Any]:
    return eviction | {"deleteOptions": {"dryRun": ["All"]}}


def _named(raw: dict[str, list[dict[str, Any]]], name: str) -> bool:
    return any(item["metadata"]["name"] == name for item in raw["statefulsets"])
