"""Any interleaving, the same ledger: two thousand of them, over short stretches of every recording.

Records of different kinds change places, come twice, and are told again by lists in between; what
the ledger then says, times included, is what it says in order. `python -m
tests.test_fold_interleavings SEED` tells one stretch.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from ledger.envelope import parse
from ledger.store import Ledger
from tests.cases import case
from tests.lab.recording import STREAMS
from tests.normal_form import normal_form
from tests.recorded import folded, values_of
from tests.test_fold_order import from_the_middle, shuffled, with_relists

STRETCHES, SHUFFLES = 80, 25
"""So many stretches, each shuffled so many times: 2,000 examples."""

SHORTEST, LONGEST = 40, 160
NAMES = ("tutorial", "rollouts", "volumes", "demo")
TOLD_BY_MORE_RECORDS = ("revision_times",)
"""Bounds of a time that a list may narrow: more records tell more."""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A migrated ledger with nothing in it."""
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    Ledger.open(path).close()
    return path.read_bytes()


def stretch(seed: int) -> list[bytes]:
    """What a watcher would have recorded that came at some moment and went at another."""
    dice = random.Random(seed)
    values = values_of(STREAMS / f"{NAMES[seed % len(NAMES)]}.jsonl.zst")
    start = dice.randrange(20, len(values) - SHORTEST)
    length = dice.randrange(SHORTEST, LONGEST)
    return from_the_middle(values[: start + length], start)


def doubled(values: Sequence[bytes], dice: random.Random) -> list[bytes]:
    """The values, some of them told once more at some later place."""
    made = list(values)
    for value in dice.sample(list(values), len(values) // 10):
        if parse(value).fact in ("state", "deleted", "audit"):
            made.insert(dice.randrange(made.index(value), len(made)) + 1, value)
    return made


def form(values: Sequence[bytes], path: Path, empty: bytes, *, batch: int) -> dict[str, object]:
    """The normal form of the ledger that the values give, without the bounds that lists narrow."""
    path.write_bytes(empty)
    found = normal_form(folded(values, path, batch=batch), times=True)
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    return {name: rows for name, rows in found.items() if name not in TOLD_BY_MORE_RECORDS}


def differences(seed: int, folder: Path, empty: bytes) -> list[str]:
    """Which shuffles of a stretch give another ledger, and in which tables."""
    values, dice = stretch(seed), random.Random(seed)
    path = folder / f"{seed}.db"
    expected, wrong = form(values, path, empty, batch=5000), []
    for number in range(SHUFFLES):
        mixed = values
        if number % 2:
            mixed = with_relists(values, dice, relists=dice.randrange(3), after=_listed(values))
        mixed = shuffled(doubled(mixed, dice), dice)
        got = form(mixed, path, empty, batch=dice.choice((3, 20, 100, 5000)))
        names = [name for name in expected if expected[name] != got[name]]
        wrong += [f"stretch {seed}, shuffle {number}: {', '.join(names)}"] if names else []
    return wrong


def _listed(values: Sequence[bytes]) -> int:
    """How many of the values belong to the first lists: before their end no other list is true."""
    marks = [index for index, value in enumerate(values) if parse(value).fact == "coverage"]
    return max(marks) + 1


@case(69, stream="recorded")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(STRETCHES // 4))
def test_two_thousand_interleavings_give_the_same_ledger(
    part: int, tmp_path: Path, empty: bytes
) -> None:
    seeds = range(part * 4, part * 4 + 4)
    assert [one for seed in seeds for one in differences(seed, tmp_path, empty)] == []


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        Ledger.open(Path(scratch) / "empty.db").close()
        nothing = (Path(scratch) / "empty.db").read_bytes()
        print("\n".join(differences(int(sys.argv[1]), Path(scratch), nothing)) or "all the same")
