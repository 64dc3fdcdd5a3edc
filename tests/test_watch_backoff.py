"""Waits grow as client-go's do, and are forgotten when told."""

from __future__ import annotations

import itertools

import pytest

from ledger.backoff import Backoff
from ledger.pace import Pace


def backoff(chance: float) -> Backoff:
    """Waits with one and the same chance each time."""
    return Backoff(Pace(random=lambda: chance))


@pytest.mark.parametrize(
    ("chance", "waits"),
    [
        (0.0, [0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0]),
        (1.0, [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]),
    ],
)
def test_waits_double_from_under_a_second_to_half_a_minute(
    chance: float, waits: list[float]
) -> None:
    made = backoff(chance)
    assert [made.next() for _ in waits] == waits


def test_health_forgets_the_past() -> None:
    made = backoff(1.0)
    assert [made.next() for _ in range(4)] == [0.8, 1.6, 3.2, 6.4]
    made.reset()
    assert made.next() == 0.8


def test_no_more_than_ten_tries_fit_into_thirty_seconds() -> None:
    made = backoff(0.0)
    tries = itertools.takewhile(
        lambda at: at <= 30.0, itertools.accumulate(made.next() for _ in range(50))
    )
    assert 1 + len(list(tries)) <= 10


def test_other_bounds_can_be_given() -> None:
    made = Backoff(Pace(random=lambda: 1.0), first_seconds=0.2, largest_seconds=1.0)
    assert [made.next() for _ in range(5)] == [0.2, 0.4, 0.8, 1.0, 1.0]
