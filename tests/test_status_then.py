"""A ledger asked about a time gone by says what the ledger of that time said itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import NotRecorded
from ledger.reader import LocalReader
from ledger.rollout.pods import PodState
from ledger.status import Standing, standing, standing_at
from tests.stories import Story

LEARNED_LATER = ("actor", "impersonated", "basis")
"""Audit records come when they come, and who did it is told of any time."""

KNOWN_NOW = ("restorable_why", "change_cause", "change_cause_state")
"""What `history` tells as it is known now: an annotation may come late, an original may go."""

OPEN = ("progressing", "settling", "staged", "stalled")


@pytest.fixture(params=["rollouts", "volumes"])
def story(request: pytest.FixtureRequest) -> Story:
    """A recorded story."""
    told = request.getfixturevalue(request.param)
    assert isinstance(told, Story)
    return told


def then(reader: LocalReader) -> Iterator[Standing]:
    """How each living incarnation stands."""
    for row in reader.query("incarnations", {}):
        if row["deleted_at"] is None:
            try:
                yield standing(reader, row["uid"])
            except NotRecorded:
                continue


def shown(pod: PodState) -> PodState:
    """A pod without what its row leaves out."""
    same = replace(pod, owner_uid="", owner_name="", containers=(), claims=())
    return replace(same, scheduled_at=None, started_at=None)


def plain(told: Standing) -> Standing:
    """A standing without what may be learned later."""
    row = {name: value for name, value in told.row.items() if name not in LEARNED_LATER}
    pods = tuple(shown(pod) for pod in told.pods)
    return replace(told, row=row, pods=pods, usual=None)


def test_how_it_stood_then_is_what_was_said_then(story: Story) -> None:
    whole = story.reader()
    seen = 0
    for step in story.chapters:
        for told in then(story.reader(step)):
            uid = str(told.row["workload_uid"])
            again = standing_at(whole, lambda place: story.values[place], uid, told.at)
            known = {name: again.numbers[name] for name in told.numbers}
            assert plain(replace(again, numbers=known)) == plain(told), f"{step}: {told.row}"
            seen += 1
    assert seen > 20


def rows_of(reader: LocalReader, uid: str, as_of: str = "") -> list[dict[str, Any]]:
    """An incarnation's revisions, without what is told as it is known now."""
    rows = reader.query("history", {"selector_uid": uid, "as_of": as_of})
    for row in rows:
        row["status"] = "open" if row["status"] in OPEN else row["status"]
    return [{name: row[name] for name in row if name not in KNOWN_NOW} for row in rows]


def test_what_history_there_was_then_is_what_was_told_then(story: Story) -> None:
    whole = story.reader()
    seen = 0
    for step in story.chapters:
        reader = story.reader(step)
        now = story.select("select now from progress", step)[0][0]
        for row in reader.query("incarnations", {}):
            rows = rows_of(reader, row["uid"])
            assert rows_of(whole, row["uid"], now) == rows, f"{step}: {row['name']}"
            seen += len(rows)
    assert seen > 50
