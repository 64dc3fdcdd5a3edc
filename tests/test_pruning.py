"""A revision that went is told: renumbered, over the limit, by hand, or with its set."""

from __future__ import annotations

from typing import Any

import pytest

from consumers.pruning import Fate, Scene, Sibling, fate_of, why_deleted

GONE = {
    "revision_uid": "r1",
    "next_number": None,
    "next_observed_at": None,
    "last_owner_uid": "set",
    "disowned_at": None,
    "deleted_at": "2026-11-01T00:00:09.000000Z",
    "deleted_after": None,
}


def scene(*numbers: int, limit: int, in_use: str = "", going: bool = False) -> Scene:
    siblings = [Sibling(f"r{n}", f"web-{n}", n) for n in numbers]
    return Scene(siblings, [(limit, frozenset(in_use.split()))], going)


@pytest.mark.parametrize(
    ("uid", "around", "why"),
    [
        ("r1", scene(1, 2, 3, 4, limit=2, in_use="web-4"), "history limit 2"),
        ("r2", scene(1, 2, 3, 4, limit=2, in_use="web-4"), "deleted by hand"),
        ("r1", scene(1, 2, 3, limit=2, in_use="web-3"), "deleted by hand"),
        ("r2", scene(1, 2, 3, 4, limit=2, in_use="web-1 web-4"), "deleted by hand"),
        ("r2", scene(1, 2, 3, 4, limit=1, in_use="web-1 web-4"), "history limit 1"),
        ("r3", scene(3, 4, limit=0, in_use="web-4"), "history limit 0"),
        ("r1", scene(1, 2, limit=10, going=True), "set deleted"),
    ],
)
def test_the_reason_follows_the_controllers_own_rule(uid: str, around: Scene, why: str) -> None:
    assert why_deleted(uid, around) == why


def test_the_rule_in_force_explains_before_one_that_came_after() -> None:
    siblings = [Sibling(f"r{n}", f"web-{n}", n) for n in range(1, 5)]
    rules = [(2, frozenset({"web-4"})), (0, frozenset({"web-4"}))]
    assert why_deleted("r1", Scene(siblings, rules, False)) == "history limit 2"
    assert why_deleted("r3", Scene(siblings, rules, False)) == "history limit 0"
    soon = Scene(siblings, [(2, frozenset({"web-4"}))], False, set_goes_soon=True)
    assert [why_deleted(uid, soon) for uid in ("r1", "r2")] == ["history limit 2", "set deleted"]


def test_a_bump_is_a_renumbering_even_after_the_object_is_gone() -> None:
    row = GONE | {"next_number": 3, "next_observed_at": "2026-11-01T00:00:03.000000Z"}
    fate = fate_of(row, "set", None)
    assert (fate.live, fate.why, fate.pruned_at, fate.exists) == (
        False,
        "renumbered to 3",
        "2026-11-01T00:00:03.000000Z",
        False,
    )


@pytest.mark.parametrize(
    ("changed", "fate"),
    [
        ({"deleted_at": None}, Fate(True)),
        (
            {
                "deleted_at": None,
                "last_owner_uid": "",
                "disowned_at": "2026-11-01T00:00:05.000000Z",
            },
            Fate(
                False, "2026-11-01T00:00:05.000000Z", None, "left behind by an orphan delete", True
            ),
        ),
        (
            {"deleted_after": "2026-11-01T00:00:07.000000Z"},
            Fate(
                False,
                "2026-11-01T00:00:09.000000Z",
                "2026-11-01T00:00:07.000000Z",
                "set deleted",
                False,
            ),
        ),
    ],
)
def test_each_fate_is_told_whole(changed: dict[str, Any], fate: Fate) -> None:
    assert fate_of(GONE | changed, "set", scene(1, limit=10, going=True)) == fate
