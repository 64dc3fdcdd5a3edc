"""Records of ours with something odd in them: nothing that can be written stops the fold, for what
is in the log stays there, and each restart and rebuild would end at the same place.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.cli import run
from ledger.store import Ledger
from tests.lab.recording import STREAMS
from tests.real import answer
from tests.recorded import folded, values_of

STRETCH = 60
ODDITIES = 12
EXAMPLES = 40
ODD: tuple[Any, ...] = (
    *(2**63, 2**200, -1, 1.5, True, None, "x", "", "\x00", [], {}, [[]], [1], [None], {"x": 1}),
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.9Z",
    "2026-11-26T09:00:00",
    "yesterday",
)


@pytest.mark.parametrize("recording", ["rollouts", "volumes", "writers"])
def test_whatever_is_odd_in_a_record_the_fold_goes_on(recording: str, tmp_path: Path) -> None:
    values = values_of(STREAMS / f"{recording}.jsonl.zst")
    rejected = 0
    for seed in range(EXAMPLES):
        dice = random.Random(f"{recording} {seed}")
        start = dice.randrange(len(values) - STRETCH)
        stretch = [odd(value, dice) for value in values[start : start + STRETCH]]
        path = folded(stretch, tmp_path / f"{seed}.db")
        with Ledger.open(path) as ledger:
            assert ledger.progress().position == STRETCH - 1
        [(count,)] = answer(path, "select count(*) from rejects")
        rejected += count
    assert rejected > EXAMPLES


def test_a_slip_to_two_thousand_million_replicas_is_recorded_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = values_of(STREAMS / "rollouts.jsonl.zst")[:120]
    slip = [value.replace(b'"replicas":3', b'"replicas":2147483647') for value in values]
    path = folded(slip, tmp_path / "l.db")
    asked = ["status", "sts/plain", "-n", "default", "--watch=false", "--ledger", str(path)]
    assert run(asked) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("3/2147483647 updated" in line for line in lines)
    assert len(lines) < 40


def odd(value: bytes, dice: random.Random) -> bytes:
    """The record, of which some have one odd value somewhere in their data."""
    if dice.randrange(STRETCH) >= ODDITIES:
        return value
    document = json.loads(value)
    places = list(_places(document.get("data")))
    if places:
        node, key = dice.choice(places)
        node[key] = dice.choice(ODD)
    return json.dumps(document).encode()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    steps = node.items() if isinstance(node, dict) else enumerate(node or ())
    for key, below in steps:
        yield node, key
        if isinstance(below, dict | list):
            yield from _places(below)
