"""A number is given again where its revision was deleted by hand: whose the second one is, and
what it is compared with.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.blame import blame
from ledger.reader import LocalReader
from ledger.targets import Scope, find
from tests.chronicle import Chronicle, report
from tests.normal_form import normal_form
from tests.real import answer
from tests.recorded import folded


def rolled(
    told: Chronicle,
    generation: int,
    number: int,
    name: str,
    image: str,
    before: str,
    user: str,
    *,
    uid: str = "",
) -> None:
    """What `user` does ten seconds after the generation before: the write, its revision, and the
    status, which named `before` until then.
    """
    version, seconds = 100 + 10 * generation, 10.0 * generation
    status: dict[str, Any] = {"updateRevision": before, "observedGeneration": generation - 1}
    told.asked(user, seconds, version=version, generation=generation)
    told.state(version, generation, seconds + 0.012, image, **status)
    told.revision(version + 1, number, seconds + 0.1, name, image, uid=uid)
    status = {"updateRevision": f"web-{name}", "observedGeneration": generation}
    told.state(version + 2, generation, seconds + 0.2, image, **status)


@pytest.fixture
def told() -> Chronicle:
    """Two revisions, and the second is deleted by hand."""
    chronicle = Chronicle()
    chronicle.begin()
    rolled(chronicle, 1, 1, "aaaa", "app:1", "", "alice")
    rolled(chronicle, 2, 2, "bbbb", "app:2", "web-aaaa", "alice")
    chronicle.revision(128, 2, 29, "bbbb", "app:2", gone=True)
    return chronicle


def told_of(ledger: Path) -> list[tuple[Any, ...]]:
    """What a report says of each revision."""
    return [(row["revision_to"], row["trigger"], row["actor"]) for row in report(ledger)]


def test_another_template_under_a_number_deleted_by_hand_has_its_author(
    told: Chronicle, tmp_path: Path
) -> None:
    rolled(told, 3, 2, "dddd", "evil:3", "web-bbbb", "mallory")
    _, second, third = report(told.ledger(tmp_path))
    names = ("revision_to", "trigger", "actor", "actor_confidence", "exceptions")
    assert [third[name] for name in names] == [2, "change", "mallory", "exact", "no ticket"]
    assert [second[name] for name in names] == [2, "change", "alice", "exact", "no ticket"]


def test_a_revision_that_is_only_made_again_is_the_platforms(
    told: Chronicle, tmp_path: Path
) -> None:
    told.revision(129, 2, 29.1, "bbbb", "app:2", uid="made-again")
    assert told_of(told.ledger(tmp_path))[2:] == [(2, "platform", None)]
    # Nor does a later return to it make the one that was made again somebody's.
    rolled(told, 3, 3, "cccc", "app:3", "web-bbbb", "bob")
    rolled(told, 4, 4, "bbbb", "app:2", "web-cccc", "carol", uid="made-again")
    assert [trigger for _, trigger, _ in told_of(told.ledger(tmp_path, "later.db"))][2:3] == [
        "platform"
    ]


def test_the_same_template_written_anew_under_a_reused_number_has_its_author(
    told: Chronicle, tmp_path: Path
) -> None:
    rolled(told, 3, 2, "dddd", "app:3", "web-bbbb", "mallory")
    told.revision(138, 2, 39, "dddd", "app:3", gone=True)
    rolled(told, 4, 2, "bbbb", "app:2", "web-dddd", "mallory", uid="written-anew")
    assert told_of(told.ledger(tmp_path))[3:] == [(2, "change", "mallory")]


def test_where_every_revision_is_deleted_the_newest_is_made_again_as_the_first(
    told: Chronicle, tmp_path: Path
) -> None:
    told.revision(129, 1, 29.1, "aaaa", "app:1", gone=True)
    told.revision(130, 1, 29.2, "bbbb", "app:2", uid="made-again")
    assert told_of(told.ledger(tmp_path))[2:] == [(1, "platform", None)]


def test_a_change_is_compared_with_what_was_there_then(told: Chronicle, tmp_path: Path) -> None:
    rolled(told, 3, 3, "cccc", "app:3", "web-bbbb", "alice")
    told.revision(138, 3, 39, "cccc", "app:3", gone=True)
    rolled(told, 4, 2, "dddd", "app:9", "web-cccc", "alice")
    rolled(told, 5, 3, "eeee", "app:5", "web-dddd", "alice")
    ledger = told.ledger(tmp_path)
    before = ["app=app:1", "app=app:2", "app=app:1", "app=app:9"]
    assert [row["images_before"] for row in report(ledger)[1:]] == before
    changes = "select images_before from image_changes order by observed_at"
    assert answer(ledger, changes)[1:] == [(each,) for each in before]
    # In whatever order they were recorded.
    backwards = Chronicle(told.observer, told.values[::-1]).ledger(tmp_path, "backwards.db")
    assert answer(backwards, changes) == answer(ledger, changes)


@pytest.mark.parametrize("image", ["app:3", "evil:4"])
@pytest.mark.parametrize("batch", [1, 3, 100])
def test_a_reused_number_is_told_alike_in_any_order(
    told: Chronicle, tmp_path: Path, image: str, batch: int
) -> None:
    rolled(told, 3, 3, "cccc", "app:3", "web-bbbb", "alice")
    told.revision(138, 1, 39, "aaaa", "app:1", gone=True)
    told.revision(139, 3, 39, "cccc", "app:3", gone=True)
    rolled(told, 4, 1, image.replace(":", ""), image, "web-cccc", "mallory", uid="made-later")
    expected = normal_form(told.ledger(tmp_path))["revisions"]
    for late in ("aaaa-uid", "bbbb-uid", "cccc-uid", "made-later"):
        last = [value for value in told.values if late.encode() in value]
        rest = [value for value in told.values if value not in last]
        ledger = folded([*rest, *last], tmp_path / f"{late}.db", batch=batch)
        assert normal_form(ledger)["revisions"] == expected, late


def test_blame_goes_through_the_templates_as_they_came(told: Chronicle, tmp_path: Path) -> None:
    rolled(told, 3, 3, "cccc", "app:3", "web-bbbb", "alice")
    told.revision(139, 3, 39, "cccc", "app:3", gone=True)
    rolled(told, 4, 2, "dddd", "app:4", "web-cccc", "mallory")
    reader = LocalReader(told.ledger(tmp_path))
    [workload] = find(reader, ["web"], Scope("default"))
    found = blame(reader, workload, "image", is_all=True)
    assert [(each.number, each.new) for each in found] == [
        (2, '"app:4"'),
        (3, '"app:3"'),
        (2, '"app:2"'),
        (1, '"app:1"'),
    ]
    assert found[0].old == '"app:3"'
