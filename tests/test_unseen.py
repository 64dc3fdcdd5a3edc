"""Numbers that nobody saw have a row each that says so, between those that were seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger.model import CONTROLLER_REVISIONS, STATEFUL_SETS
from tests.recorded import folded
from tests.test_coverage import REVISIONS, SETS, Story, a_set, asked

COLUMNS = """
select number, label, revision_uid, name, trigger, generation_from, summary, change_cause_state,
       restorable, restorable_why, live
from revisions order by number"""


def a_revision(number: int, version: int) -> dict[str, Any]:
    """A ControllerRevision of the set u-1."""
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": "u-1"}
    template = {"metadata": {"labels": {"app": str(number)}}, "spec": {"containers": []}}
    return {
        "metadata": {
            "name": f"web-{number}",
            "namespace": "shop",
            "uid": f"r-{number}",
            "labels": {"controller.kubernetes.io/hash": str(number)},
            "resourceVersion": str(version),
            "creationTimestamp": "2026-11-01T09:00:00Z",
            "ownerReferences": [owner | {"controller": True}],
        },
        "revision": number,
        "data": {"spec": {"template": template}},
    }


def unseen(number: int, label: str) -> tuple[Any, ...]:
    """The row of a number, or of several, that nobody saw."""
    why = "never seen"
    return (number, label, "", "", "unseen", None, "nobody was watching", "none", 0, why, 0)


def story(*numbers: int) -> Story:
    """The watch begins with an empty cluster; then come a set and revisions of these numbers."""
    told = Story()
    for stream in (SETS, REVISIONS):
        told.start(stream)
        told.list(stream, 1)
    told.state(STATEFUL_SETS, a_set("u-1", 5))
    for version, number in enumerate(numbers, start=10):
        told.state(CONTROLLER_REVISIONS, a_revision(number, version))
    return told


def test_each_missing_number_has_a_row(tmp_path: Path) -> None:
    rows = asked(folded(story(2, 5).values, tmp_path / "l.db"), COLUMNS)
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5]
    assert [rows[0], rows[2], rows[3]] == [unseen(1, "1"), unseen(3, "3"), unseen(4, "4")]
    # The revisions, not the status, which names none, say of which write they are.
    assert [(row[1], row[2], row[4]) for row in (rows[1], rows[4])] == [
        ("2", "r-2", "change"),
        ("5", "r-5", "change"),
    ]


def test_far_more_missing_numbers_share_a_row(tmp_path: Path) -> None:
    rows = asked(folded(story(1, 1202).values, tmp_path / "l.db"), COLUMNS)
    numbers = [row[0] for row in rows]
    assert numbers == [1, *range(201, 1203)]
    assert rows[1] == unseen(201, "2..201")
    assert rows[2] == unseen(202, "202")


def test_a_missing_number_was_there_before_the_next_one_was_seen(tmp_path: Path) -> None:
    path = folded(story(2, 4).values, tmp_path / "l.db")
    seen = dict(asked(path, "select number, observed_at from revisions"))
    assert (seen[1], seen[3]) == (seen[2], seen[4])
