"""Random but repeatable days of one StatefulSet, valid on a real cluster.

The kinds of steps and their arguments depend on the seed alone. Where a step must
name something that exists (a live revision, a broken pod) it looks when it runs and
chooses with a dice of its own, so the same cluster gives the same story.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.lab.driver import Driver
from tests.lab.scenario import (
    Scenario,
    Step,
    applied,
    history_limit,
    partition,
    patch_arguments,
)
from tests.lab.settling import stuck_pods
from tests.lab.users import ALICE, BOB, DEPLOYER
from tests.lab.workloads import Workload

CAUSE = "kubernetes.io/change-cause"
NAME = "web"
IMAGES = tuple(f"shop/web:{number}" for number in range(1, 7))
BASE = Workload(NAME, IMAGES[0], replicas=2, history_limit=4)
VOLUMES = 5

Act = Callable[[Driver], object]


@dataclass
class Dice:
    """What the generator knows while it writes the story."""

    rng: random.Random
    exists: bool = False
    broken: bool = False
    """Whether a bad image may be out, so that healing is due."""

    def person(self) -> str:
        """Somebody who may edit."""
        return self.rng.choice((ALICE, BOB, DEPLOYER))


def random_steps(seed: int, count: int) -> tuple[Step, ...]:
    """`count` steps that depend on `seed` alone; the first creates the StatefulSet."""
    dice = Dice(random.Random(seed))
    return tuple(_next_step(dice, number) for number in range(1, count + 1))


def random_scenario(seed: int, count: int) -> Scenario:
    """The same as a scenario, with the volumes it needs."""
    return Scenario(f"random-{seed}", random_steps(seed, count), VOLUMES)


def _next_step(dice: Dice, number: int) -> Step:
    """One more step of the story."""
    if not dice.exists:
        kind, act = "create", _create(dice)
    elif dice.broken and dice.rng.random() < 0.4:
        kind, act = "heal", _heal(dice)
    else:
        kinds = dice.rng.choices(list(KINDS), weights=[weight for weight, _ in KINDS.values()])
        kind = kinds[0]
        act = KINDS[kind][1](dice)
    return Step(f"{number:03} {kind}", act)


def _create(dice: Dice) -> Act:
    """Create the set, anew or over what an earlier one left."""
    dice.exists = True
    return _apply(dice)


def _apply(dice: Dice) -> Act:
    """Apply a manifest: often one that was applied before, so templates return."""
    image, cause = dice.rng.choice(IMAGES[:3]), dice.rng.choice(("", "", "CHG-1", "CHG-2"))
    replicas, limit = dice.rng.randint(1, 3), dice.rng.choice((None, 4, 4, 10))
    edition = replace(BASE, image=image, cause=cause, replicas=replicas, history_limit=limit)
    user = dice.person()
    return lambda driver: applied(driver, edition, user=user)


def _run(dice: Dice, *arguments: str) -> Act:
    """One command by somebody."""
    user = dice.person()
    return lambda driver: driver.run(*arguments, user=user)


def _set_image(dice: Dice) -> Act:
    """Deploy a good image; now and then the one that is out already."""
    image = dice.rng.choice(IMAGES)
    return _run(dice, "set", "image", f"sts/{NAME}", f"app={image}")


def _set_bad_image(dice: Dice) -> Act:
    """Deploy an image that does not exist."""
    dice.broken = True
    bad = f"app=shop/web:{dice.rng.randint(1, 3)}-bad"
    return _run(dice, "set", "image", f"sts/{NAME}", bad)


def _set_env(dice: Dice) -> Act:
    """Change one of two variables, or take it away."""
    name, value = dice.rng.choice(("LEVEL", "MODE")), dice.rng.choice(("a", "b", None))
    return _run(dice, "set", "env", f"sts/{NAME}", f"{name}={value}" if value else f"{name}-")


def _restart(dice: Dice) -> Act:
    """Restart; kubectl refuses a second one within the same second, we do not care."""
    return _attempt(dice, "rollout", "restart", f"sts/{NAME}")


def _scale(dice: Dice) -> Act:
    """Scale to none up to four."""
    return _run(dice, "scale", f"sts/{NAME}", f"--replicas={dice.rng.randint(0, 4)}")


def _limit(dice: Dice) -> Act:
    """Change how many old revisions are kept."""
    number = dice.rng.choice((0, 1, 2, 4, 10))
    return _run(dice, *patch_arguments(NAME, history_limit(number)))


def _partition(dice: Dice) -> Act:
    """Hold back some pods, or none."""
    number = dice.rng.choice((0, 0, 1, 2))
    return _run(dice, *patch_arguments(NAME, partition(number)))


def _annotate(dice: Dice) -> Act:
    """Say why, late or early, or take the cause away."""
    text = dice.rng.choice((f"CHG-{dice.rng.randint(100, 999)}: why", "", None))
    change = f"{CAUSE}-" if text is None else f"{CAUSE}={text}"
    return _run(dice, "annotate", f"sts/{NAME}", change, "--overwrite")


def _undo(dice: Dice) -> Act:
    """Undo; with too little history kubectl refuses, which is as good a step."""
    return _attempt(dice, "rollout", "undo", f"sts/{NAME}")


def _undo_to(dice: Dice) -> Act:
    """Undo to one of the live revisions, chosen when it is due."""
    user, place = dice.person(), dice.rng.random()

    def act(driver: Driver) -> None:
        found = driver.snapshot().only([NAME]).raw["controllerrevisions"]
        numbers = sorted(item["revision"] for item in found)
        number = numbers[int(place * len(numbers))]
        driver.attempt("rollout", "undo", f"sts/{NAME}", f"--to-revision={number}", user=user)

    return act


def _delete_pod(dice: Dice) -> Act:
    """Delete one pod, if there is any; the controller makes it again."""
    user, place = dice.person(), dice.rng.random()

    def act(driver: Driver) -> None:
        if pods := sorted(driver.names("pods")):
            driver.run("delete", "pod", pods[int(place * len(pods))], user=user)

    return act


def _heal(dice: Dice) -> Act:
    """Go back to a good image and delete the pods that hold it up, from the top."""
    dice.broken = False
    user, image = dice.person(), dice.rng.choice(IMAGES)

    def act(driver: Driver) -> None:
        driver.run("set", "image", f"sts/{NAME}", f"app={image}", user=user)
        for _ in range(VOLUMES):
            if not (stuck := stuck_pods(driver.settled())):
                return
            driver.run("delete", "pod", *stuck, user=user)

    return act


def _delete(dice: Dice) -> Act:
    """Delete the set with its pods; the claims stay."""
    dice.exists = False
    how = dice.rng.choice(("background", "foreground"))
    return _run(dice, "delete", "sts", NAME, f"--cascade={how}")


def _orphan(dice: Dice) -> Act:
    """Delete the set only; pods and revisions wait for the next one."""
    dice.exists = False
    return _run(dice, "delete", "sts", NAME, "--cascade=orphan")


def _attempt(dice: Dice, *arguments: str) -> Act:
    """One command by somebody that kubectl may refuse."""
    user = dice.person()
    return lambda driver: driver.attempt(*arguments, user=user)


KINDS: dict[str, tuple[int, Callable[[Dice], Act]]] = {
    "set image": (18, _set_image),
    "set bad image": (5, _set_bad_image),
    "set env": (12, _set_env),
    "apply": (8, _apply),
    "undo": (13, _undo),
    "undo to": (12, _undo_to),
    "restart": (6, _restart),
    "scale": (8, _scale),
    "limit": (7, _limit),
    "partition": (6, _partition),
    "annotate": (8, _annotate),
    "delete pod": (4, _delete_pod),
    "delete": (4, _delete),
    "orphan": (3, _orphan),
}
"""Every kind of step with its weight."""
