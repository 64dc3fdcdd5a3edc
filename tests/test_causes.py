"""A change cause is repeated as fact only when it was written with, or after, its own change."""

from __future__ import annotations

from dataclasses import replace

from consumers.causes import Cause, cause_of
from tests.test_generations import state


def states(*facts: tuple[int, int, str | None]) -> list:  # type: ignore[type-arg]
    """(generation, template, change cause) in the order they were written."""
    return [
        replace(state(version, generation, template), change_cause=cause)
        for version, (generation, template, cause) in enumerate(facts, start=1)
    ]


def test_a_cause_written_with_the_template_is_fresh() -> None:
    history = states((1, 1, "first"), (2, 2, "second"))
    assert cause_of("second", 2, history) == Cause("second", "fresh")
    assert cause_of("first", 1, history) == Cause("first", "fresh")


def test_a_cause_copied_from_the_change_before_is_stale() -> None:
    assert cause_of("first", 2, states((1, 1, "first"), (2, 2, "first"))) == Cause("first", "stale")


def test_a_cause_added_before_the_next_template_is_late_and_belongs() -> None:
    history = states(
        (1, 1, "first"), (2, 2, "first"), (2, 2, "CHG-7"), (3, 2, "CHG-7"), (4, 3, "x")
    )
    assert cause_of("first", 2, history) == Cause("CHG-7", "late")


def test_a_cause_written_with_the_next_template_is_not_this_ones() -> None:
    history = states((1, 1, "first"), (2, 2, "first"), (3, 3, "third"))
    assert cause_of("first", 2, history) == Cause("first", "stale")


def test_no_cause_is_no_cause() -> None:
    assert cause_of(None, 2, states((1, 1, None), (2, 2, None))) == Cause(None, "none")


def test_without_the_write_a_cause_is_not_vouched_for() -> None:
    assert cause_of("who knows", None, []) == Cause("who knows", "unverified")
    assert cause_of("x", 5, states((5, 2, "x"))) == Cause("x", "unverified")
