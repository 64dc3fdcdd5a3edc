"""States that come late: the rows tell what they would tell had they come in order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.model import CLAIMS
from ledger.observe import Stream
from tests.recorded import folded
from tests.test_claim_stories import named
from tests.test_coverage import Story, asked

STREAM = Stream(CLAIMS, "*")
PHASES = {"P": "Pending", "B": "Bound", "L": "Lost"}


def a_phase(version: int, phase: str) -> dict[str, Any]:
    """A state of the claim."""
    return named("data-web-0", "c-1", version) | {"status": {"phase": phase}}


def told(*states: tuple[int, str]) -> Story:
    """A watch of claims that began with none, and these states as they came."""
    story = Story()
    story.start(STREAM)
    story.list(STREAM, 1)
    for version, phase in states:
        story.state(CLAIMS, a_phase(version, phase))
    return story


def changes(states: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Of each run of equal states the first."""
    return [next(run) for _, run in groupby(states, key=lambda state: state[1])]


@given(
    phases=st.text("PBL", min_size=2, max_size=7),
    order=st.randoms(use_true_random=False),
    batch=st.sampled_from((1, 2, 3, 100)),
)
@settings(max_examples=80, deadline=None)
def test_in_any_order_and_batches_the_rows_tell_the_same_changes(
    phases: str, order: Any, batch: int
) -> None:
    states = [(10 + number, PHASES[letter]) for number, letter in enumerate(phases)]
    shuffled = list(states)
    order.shuffle(shuffled)
    assert changes(rows_of(shuffled, batch)) == changes(states)


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_two_late_states_in_one_batch_do_not_lend_their_content_to_what_is_behind(
    batch: int,
) -> None:
    states = [(10, "Pending"), (20, "Bound"), (30, "Pending"), (40, "Pending")]
    assert changes(rows_of([states[n] for n in (0, 3, 1, 2)], batch)) == changes(states)
    states = [(10, "Pending"), (20, "Bound"), (30, "Bound"), (40, "Lost")]
    assert changes(rows_of([states[n] for n in (0, 3, 1, 2)], batch)) == changes(states)
    states = [(10, "Pending"), (20, "Bound"), (30, "Bound"), (40, "Pending")]
    assert changes(rows_of([states[n] for n in (0, 3, 1, 2)], batch)) == changes(states)
    states = [(10 + n, PHASES[letter]) for n, letter in enumerate("BPBPB")]
    assert changes(rows_of([states[n] for n in (0, 2, 4, 1, 3)], batch)) == changes(states)


def rows_of(states: Sequence[tuple[int, str]], batch: int) -> list[tuple[int, str]]:
    """The rows of the states, in the order of versions."""
    with TemporaryDirectory() as place:
        path = folded(told(*states).values, Path(place) / "l.db", batch=batch)
        return asked(path, "select resource_version, phase from claim_states order by 1")


def test_of_two_records_of_one_state_the_earlier_tells_when_it_was_seen(tmp_path: Path) -> None:
    story = told((10, "Pending"), (20, "Bound"), (10, "Pending"))
    early, late, again = story.values[-3:]
    question = "select observed_at, (select observed_at from claims) from claim_states limit 1"
    begin = story.values[:-3]
    orders = [[early, late, again], [again, late, early], [late, again, early]]
    found = [
        asked(folded([*begin, *values], tmp_path / f"{number}.db", batch=1), question)
        for number, values in enumerate(orders)
    ]
    assert found[0] == found[1] == found[2]
    assert found[0][0][0] == found[0][0][1] < "2026-11-01T09:00:05"
