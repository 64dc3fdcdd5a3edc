"""Why a revision came to be: the questions in their order, and whose undo it was."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from consumers.generations import Placement
from consumers.triggers import Circumstances, Write, is_undo, trigger_of, undo_intent
from ledger.diff import diff
from tests.test_generations import entry, state

PLAIN = Circumstances(
    is_adopted=False,
    is_baseline=False,
    has_twin=False,
    was_held=False,
    same_below=None,
    previous=1,
    previous_name="a",
    changes=(),
    write=None,
)


def write(annotation: str | None, *, before: str | None = None) -> Write:
    """The write of generation 5."""
    older = replace(state(1, 4, 1), undo_annotation=before)
    return Write(replace(state(2, 5, 2), undo_annotation=annotation), older, ())


HOSTNAME = diff({"spec": {"hostname": "a"}}, {"spec": {"hostname": "b"}})
REMADE = {"has_twin": True, "was_held": True}
OURS = json.dumps({"baseGeneration": 4, "ticket": "T-1"})


@pytest.mark.parametrize(
    ("annotation", "before", "is_ours"),
    [
        (OURS, None, True),
        (OURS, "{}", True),
        (OURS, OURS, False),
        (json.dumps({"baseGeneration": 5}), None, False),
        (json.dumps({"baseGeneration": 3}), None, False),
        (json.dumps({"basegeneration": 4}), None, False),
        (None, OURS, False),
        ("", None, False),
    ],
)
def test_our_annotation_counts_where_it_first_appears_one_generation_on(
    annotation: str | None, before: str | None, is_ours: bool
) -> None:
    assert is_undo(write(annotation, before=before)) is is_ours


@pytest.mark.parametrize(
    ("annotation", "intent"),
    [
        (OURS, {"baseGeneration": 4, "ticket": "T-1"}),
        (None, {}),
        ("", {}),
        ("no JSON", {}),
        ("[1]", {}),
        ("7", {}),
        ("[" * 100_000, {}),
    ],
)
def test_an_intent_is_a_map_or_nothing(annotation: str | None, intent: dict[str, Any]) -> None:
    assert undo_intent(annotation, earlier="{}", generation=5) == intent


@pytest.mark.parametrize(
    ("known", "number", "trigger"),
    [
        ({}, 2, "change"),
        ({"is_adopted": True, "is_baseline": True}, 2, "adopted"),
        ({"is_baseline": True, **REMADE}, 2, "found"),
        ({**REMADE, "previous": None}, 1, "platform"),
        ({**REMADE, "write": write(None)}, 3, "platform"),
        ({**REMADE, "write": replace(write(None), changes=HOSTNAME)}, 3, "change"),
        # A write that came after it cannot have caused it.
        ({**REMADE, "write": replace(write(None), changes=HOSTNAME)}, 1, "platform"),
        ({"has_twin": True}, 2, "change"),
        ({"has_twin": True, "previous": None}, 1, "change"),
        ({"was_held": True}, 2, "change"),
        ({"previous": None}, 1, "create"),
        ({"previous": None}, 2, "change"),
        ({"same_below": 1}, 3, "platform"),
        ({"same_below": 1, "previous": 2}, 3, "return"),
        ({"same_below": 1, "write": write(None)}, 3, "platform"),
        ({"same_below": 1, "write": replace(write(None), before=state(1, 3, 1))}, 3, "return"),
        ({"same_below": 1, "write": replace(write(None), changes=HOSTNAME)}, 3, "return"),
        ({"same_below": 1, "write": write(OURS)}, 3, "undo"),
        ({"same_below": 1, "previous": 2, "write": write(OURS)}, 3, "undo"),
    ],
)
def test_the_first_question_that_is_answered_names_the_trigger(
    known: dict[str, Any], number: int, trigger: str
) -> None:
    placed = Placement(generation=5)
    assert trigger_of(entry(number, "a", 1), placed, replace(PLAIN, **known)) == trigger
    if trigger in ("create", "change", "undo", "return"):
        placed = replace(placed, is_platform=True)
        assert trigger_of(entry(number, "a", 1), placed, replace(PLAIN, **known)) == "platform"


def test_a_write_is_adjacent_when_none_lies_between() -> None:
    assert write(None).is_adjacent
    assert not replace(write(None), before=state(1, 3, 1)).is_adjacent
