"""Waits grow as client-go's do, and are forgotten after two minutes of health."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest

from ledger.backoff import Backoff
from ledger.pace import Pace


@dataclass
class Clock:
    """A clock that stands still unless it is moved."""

    seconds: float = 0.0


def pace(clock: Clock, chance: float) -> Pace:
    """A pace on that clock, with one and the same chance each time."""
    return Pace(monotonic=lambda: clock.seconds, random=lambda: chance)


@pytest.mark.parametrize(
    ("chance", "waits"),
    [
        (0.0, [0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0]),
        (1.0, [1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]),
    ],
)
def test_waits_double_from_under_a_second_to_half_a_minute(
    chance: float, waits: list[float]
) -> None:
    backoff = Backoff(pace(Clock(), chance))
    assert [backoff.next() for _ in waits] == waits


def test_two_healthy_minutes_forget_the_past() -> None:
    clock = Clock()
    backoff = Backoff(pace(clock, 0.0))
    assert [backoff.next() for _ in range(4)] == [0.8, 1.6, 3.2, 6.4]
    clock.seconds += 120.0
    assert backoff.next() == 12.8
    clock.seconds += 120.1
    assert backoff.next() == 0.8


def test_no_more_than_ten_tries_fit_into_thirty_seconds() -> None:
    backoff = Backoff(pace(Clock(), 0.0))
    tries = itertools.takewhile(
        lambda at: at <= 30.0, itertools.accumulate(backoff.next() for _ in range(50))
    )
    assert 1 + len(list(tries)) <= 10


def test_other_bounds_can_be_given() -> None:
    backoff = Backoff(pace(Clock(), 0.0), first_seconds=0.2, largest_seconds=2.0)
    assert [backoff.next() for _ in range(5)] == [0.2, 0.4, 0.8, 1.0, 1.0]
