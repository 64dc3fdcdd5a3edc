"""Which spec write caused which revision: numbers and runs go up the same stairs."""

from __future__ import annotations

import pytest

from consumers.generations import (
    Entry,
    Placement,
    Run,
    SetState,
    first_states,
    place,
    place_inherited,
    runs_of,
)
from tests.cases import case


def state(
    version: int,
    generation: int,
    template: int,
    *,
    observed: int | None = None,
    update: str = "",
    settled: bool = False,
) -> SetState:
    return SetState(
        resource_version=version,
        observed_at=f"2026-11-01T00:00:{version:02}.000000Z",
        generation=generation,
        template_id=template,
        change_cause=None,
        undo_annotation=None,
        observed_generation=generation if observed is None else observed,
        update_revision=update,
        settled=settled,
        strategy="RollingUpdate",
        update_partition=0,
        managed_fields="[]",
    )


def entry(number: int, name: str, template: int, *, version: int = 0) -> Entry:
    return Entry(
        object_id=ord(name),
        revision_uid=f"uid-{name}",
        name=name,
        created_at=None,
        number=number,
        version=version or number,
        position=number,
        observed_at="2026-11-01T00:00:00.000000Z",
        template_id=template,
        change_cause=None,
        earlier_number=None,
    )


def placed(entries: list[Entry], states: list[SetState]) -> list[Placement]:
    runs, specs, after, found = runs_of(states), first_states(states), Placement(), []
    for one in entries:
        spot = place(one, after=after, runs=runs, specs=specs)
        found.append(spot)
        after = Placement(spot.generation or after.generation, spot.run)
    return found


def test_runs_merge_states_of_one_revision_and_remember_that_it_settled() -> None:
    states = [
        state(1, 1, 1, observed=0),
        state(2, 1, 1, update="a"),
        state(3, 1, 1, update="a", settled=True),
        state(4, 2, 2, observed=1, update="a"),
        state(5, 2, 2, update="b"),
    ]
    assert runs_of(states) == [Run("a", 1, 1, True), Run("b", 2, 2, False)]


def test_an_undo_is_placed_at_its_own_generation_though_the_name_is_an_old_one() -> None:
    states = [state(1, 1, 1, update="a"), state(2, 2, 2, update="b"), state(3, 3, 1, update="a")]
    entries = [entry(1, "a", 1), entry(2, "b", 2), entry(3, "a", 1)]
    assert [spot.generation for spot in placed(entries, states)] == [1, 2, 3]


def test_a_scale_seen_before_the_status_does_not_take_the_blame() -> None:
    states = [
        state(1, 1, 1, update="a"),
        state(2, 2, 2, observed=1, update="a"),
        state(3, 3, 2, observed=1, update="a"),
        state(4, 3, 2, update="b"),
    ]
    assert placed([entry(1, "a", 1), entry(2, "b", 2)], states)[1].generation == 2


def test_a_template_that_never_got_a_revision_leaves_the_others_in_place() -> None:
    states = [
        state(1, 1, 1, update="a"),
        state(2, 2, 2, observed=1, update="a"),
        state(3, 3, 3, observed=1, update="a"),
        state(4, 3, 3, update="c"),
    ]
    assert placed([entry(1, "a", 1), entry(2, "c", 3)], states)[1].generation == 3


def test_a_revision_whose_status_nobody_saw_is_placed_by_its_template() -> None:
    states = [state(1, 1, 1, update="a"), state(2, 2, 2, observed=1, update="a")]
    spot = placed([entry(1, "a", 1), entry(2, "b", 2)], states)[1]
    assert (spot.generation, spot.is_run_own) == (2, False)


@case(14, stream="constructed")
def test_a_new_revision_at_an_observed_generation_is_the_platforms() -> None:
    states = [state(1, 4, 1, update="a"), state(2, 4, 1, update="b")]
    spots = placed([entry(1, "a", 1), entry(2, "b", 1)], states)
    assert [spot.is_platform for spot in spots] == [False, True]


def test_status_that_lags_behind_the_spec_is_paired_with_what_it_observed() -> None:
    states = [
        state(1, 1, 1, update="a"),
        state(2, 10, 9, observed=5, update="e"),
        state(3, 10, 9, observed=10, update="j"),
    ]
    entries = [entry(1, "a", 1), entry(2, "e", 5), entry(3, "j", 9)]
    assert [spot.generation for spot in placed(entries, states)] == [1, 5, 10]


@case(15, stream="constructed")
def test_revisions_that_roll_on_at_one_generation_are_all_the_platforms() -> None:
    names = "abcd"
    states = [state(n, 1, 1, update=name) for n, name in enumerate(names, start=1)]
    found = placed([entry(n, name, n) for n, name in enumerate(names, start=1)], states)
    assert [spot.is_platform for spot in found] == [False, True, True, True]


@pytest.mark.parametrize(
    ("name", "is_newest", "spot"),
    [
        ("a", True, Placement(1, 0, is_run_own=True)),
        ("b", True, Placement(3, 1, is_run_own=True)),
        ("c", True, Placement()),
        ("a", False, Placement()),
    ],
)
def test_of_what_was_there_before_only_the_newest_can_be_current_or_next(
    name: str, is_newest: bool, spot: Placement
) -> None:
    runs = [Run("a", 1, 2, True), Run("b", 3, 3, False), Run("c", 4, 4, False)]
    assert place_inherited(entry(1, name, 1), is_newest=is_newest, runs=runs) == spot


def test_each_spot_is_told_whole() -> None:
    states = [
        state(1, 0, 9, observed=0),
        state(2, 2, 1, update="a", observed=2),
        state(3, 3, 2, observed=2, update="a"),
        state(4, 4, 3, update="c"),
        state(5, 4, 3, observed=3, update="c"),
        state(6, 6, 5, update="e"),
    ]
    entries = [entry(1, "a", 1), entry(2, "b", 2), entry(3, "c", 3), entry(4, "e", 5)]
    assert runs_of(states) == [Run("a", 2, 2, False), Run("c", 4, 4, False), Run("e", 6, 6, False)]
    assert placed(entries, states) == [
        Placement(2, 0, is_run_own=True),
        Placement(3, 0),
        Placement(4, 1, is_run_own=True),
        Placement(6, 2, is_run_own=True),
    ]
    assert placed([entry(1, "z", 8)], states) == [Placement(None, -1)]
    assert first_states(states)[4].resource_version == 4
