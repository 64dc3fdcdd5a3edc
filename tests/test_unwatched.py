"""Which requests of an imported audit log are changes of a time that nobody watched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.model import STATEFUL_SETS
from ledger.observe import Stream
from tests.chronicle import Chronicle, at, report
from tests.normal_form import normal_form
from tests.recorded import folded

OLD = "audit.log"
SETS = Stream(STATEFUL_SETS, "*")


def told_of(told: Chronicle, folder: Path) -> list[tuple[Any, ...]]:
    """Second, request, generation and grade of each imported row."""
    rows = [row for row in report(told.ledger(folder)) if row["trigger"] == "imported"]
    return [
        (
            int(row["at"][17:19]),
            row["summary"].removesuffix(" of a time that nobody watched"),
            row["generation"],
            row["actor_confidence"],
        )
        for row in rows
    ]


def patched(told: Chronicle, seconds: float, generation: int, **other: Any) -> None:
    version = 100 + int(seconds)
    told.asked("alice", seconds, version=version, generation=generation, imported=OLD, **other)


def scaled(
    told: Chronicle, seconds: float, version: int, *, imported: str = OLD, **of: Any
) -> None:
    user = of.pop("user", "carol")
    told.asked(user, seconds, version=version, subresource="scale", imported=imported, **of)


def watched(told: Chronicle, *, until: float) -> None:
    """The watcher says at this second that it still watches."""
    beat = {"kind": "statefulsets", "scope": "*", "cursor": "1", "state": "watching"}
    sealed = told.observer.coverage("heartbeat", None, at=at(until), streams=[beat])
    told.values.append(sealed.value)


def test_a_generation_is_new_when_it_is_above_all_before_it(tmp_path: Path) -> None:
    told = Chronicle()
    for seconds, generation in ((1, 2), (2, 3)):
        patched(told, seconds, generation)
    scaled(told, 3, 103)
    patched(told, 4, 5)
    patched(told, 5, 5)
    assert told_of(told, tmp_path) == [
        (2, "patch", 3, "probable"),
        (3, "patch scale", None, "probable"),
        (4, "patch", 5, "probable"),
    ]


def test_what_answers_with_a_state_seen_before_it_changed_nothing(tmp_path: Path) -> None:
    told = Chronicle()
    told.state(100, 4, 0, "app:1")
    told.state(110, 5, 10.012, "app:1", replicas=3)
    scaled(told, 20, 110)
    assert told_of(told, tmp_path) == []


def test_what_stood_there_when_the_watch_began_may_have_been_a_change(tmp_path: Path) -> None:
    told = Chronicle()
    scaled(told, 3, 100)
    told.state(100, 4, 30, "app:1", replicas=3)
    assert told_of(told, tmp_path) == [(3, "patch scale", None, "probable")]


@pytest.mark.parametrize(
    ("seconds", "is_told"), [(10, False), (31, True), (40, True), (51, False), (61, True)]
)
def test_nothing_is_told_of_a_time_that_was_watched(
    tmp_path: Path, seconds: int, is_told: bool
) -> None:
    told = Chronicle()
    told.begin()
    watched(told, until=30)
    gap = told.observer.gap(SETS, at=at(45), cause="expired-410")
    told.values.append(gap.value)
    told.begin(50)
    watched(told, until=60)
    scaled(told, seconds, 900)
    assert bool(told_of(told, tmp_path)) is is_told


def test_of_two_deletions_the_second_is_not_a_change(tmp_path: Path) -> None:
    told = Chronicle()
    told.state(100, 4, 0, "app:1")
    for seconds in (10, 11):
        told.asked("alice", seconds, "delete", version=110, imported=OLD)
    told.asked("alice", 12, "delete", version=110, imported=OLD, responseObject=None)
    told.state(111, 4, 13, "app:1", gone=True)
    rows = report(told.ledger(tmp_path))
    assert [row["trigger"] for row in rows] == ["deleted"]


@pytest.mark.parametrize(
    ("level", "basis"),
    [("Metadata", "probable"), ("Request", "probable"), ("RequestResponse", "exact")],
)
def test_a_creation_is_exact_only_by_its_answer(tmp_path: Path, level: str, basis: str) -> None:
    told = Chronicle()
    created: dict[str, Any] = {"responseStatus": {"code": 201}, "level": level}
    if level != "RequestResponse":
        created["responseObject"] = None
    told.asked("alice", 1, "create", version=1, generation=1, imported=OLD, **created)
    [(_, request, _, confidence)] = told_of(told, tmp_path)
    assert (request, confidence) == ("create", basis)


@pytest.mark.parametrize("is_cut", [False, True])
def test_what_was_also_told_as_it_happened_is_not_imported_whichever_came_first(
    tmp_path: Path, is_cut: bool
) -> None:
    told, same = Chronicle(), {"auditID": "0b3f4f3e-1111-4111-8111-000000000001"}
    live = {"level": "Metadata", "responseObject": None} if is_cut else {}
    scaled(told, 3, 103, **same)
    scaled(told, 3, 103, imported="", **same, **live)
    scaled(told, 4, 104)
    forms = []
    for order in ((0, 1, 2), (1, 0, 2), (2, 1, 0)):
        again = Chronicle(told.observer, [told.values[index] for index in order])
        assert [second for second, *_ in told_of(again, tmp_path / str(order))] == [4]
        forms.append(normal_form(folded(again.values, tmp_path / f"{order}.db"))["actions"])
    assert forms[0] == forms[1] == forms[2]
