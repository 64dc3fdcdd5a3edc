"""What annotations, notes, undos and audit records leave in a ledger, whatever their order."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from consumers.triggers import Write, intent_of, is_undo, undo_intent
from ledger.canonical import from_bytes, to_bytes
from ledger.model import STATEFUL_SETS, ObjectRef
from ledger.observe import Observer
from ledger.redaction import Redactor
from tests.lab.recording import STREAMS
from tests.normal_form import normal_form
from tests.real import answer
from tests.recorded import KEY, KEY_ID, folded, values_of
from tests.test_attribution_records import is_audit, truncated
from tests.test_generations import state

UID = "11111111-1111-1111-1111-111111111111"
TICKET, APPROVER = "example.com/change-id", "example.com/approved-by"
KEYS = {
    "ticket": TICKET,
    "approver": APPROVER,
    "commit": "example.com/commit",
    "pipeline": "example.com/run",
}
UNDO = "rollout-ledger/undo"
BEGIN = datetime(2026, 11, 26, 10, tzinfo=UTC)


@dataclass
class Story:
    """States of one StatefulSet, as a watcher that heeds annotations would record them."""

    observer: Observer = field(
        default_factory=lambda: Observer(
            "c-1",
            "feed0001",
            Redactor("secrets", KEY_ID, KEY),
            annotation_keys=KEYS,
        )
    )
    values: list[bytes] = field(default_factory=list)

    def state(self, generation: int, **annotations: str) -> None:
        """The next state."""
        number = len(self.values) + 1
        names = KEYS | {"undo": UNDO}
        container = {"name": "app", "image": f"nginx:1.{generation}"}
        raw = {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {
                "name": "web",
                "namespace": "default",
                "uid": UID,
                "resourceVersion": str(number),
                "generation": generation,
                "creationTimestamp": "2026-11-26T10:00:00Z",
                "annotations": {names[role]: value for role, value in annotations.items()},
            },
            "spec": {
                "replicas": generation,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {
                    "metadata": {"labels": {"app": "web"}},
                    "spec": {"containers": [container]},
                },
            },
            "status": {"replicas": 0},
        }
        sealed = self.observer.state(
            to_bytes(raw), kind=STATEFUL_SETS, at=BEGIN + timedelta(seconds=number)
        )
        assert sealed is not None
        self.values.append(sealed.value)

    def note(self, **said: Any) -> None:
        """Something that is said later."""
        ref = ObjectRef(STATEFUL_SETS.plural, "default", "web", UID)
        told = {"workloadUid": UID, "saidBy": "carol@desk", **said}
        at = BEGIN + timedelta(minutes=1)
        self.values.append(self.observer.noted(ref, told, at=at).value)


def statements(values: Sequence[bytes], folder: Path) -> list[tuple[Any, ...]]:
    """(generation, role, source, said)."""
    path = folded(values, folder / "l.db")
    return answer(path, "select generation, role, source, said from statements order by 1, 2, 3")


def intent(generation: int, **told: Any) -> str:
    """The annotation that our undo writes."""
    return json.dumps({"nonce": "n", "baseGeneration": generation, "revision": 1, **told})


def test_an_annotation_is_said_of_the_write_that_it_came_with_and_of_no_other(
    tmp_path: Path,
) -> None:
    story = Story()
    story.state(1, ticket="CHG-1")
    story.state(2, ticket="CHG-1")
    story.state(3, ticket="CHG-3", approver="dave")
    assert statements(story.values, tmp_path) == [
        (1, "ticket", "annotation", "CHG-1"),
        (3, "approver", "annotation", "dave"),
        (3, "ticket", "annotation", "CHG-3"),
    ]


def test_what_is_annotated_before_the_next_write_is_said_of_the_last_one(tmp_path: Path) -> None:
    story = Story()
    story.state(1)
    story.state(2)
    story.state(2, ticket="CHG-2")
    story.state(2, ticket="CHG-2b", approver="dave")
    story.state(3, ticket="CHG-2b", approver="dave")
    assert statements(story.values, tmp_path) == [
        (2, "approver", "annotation", "dave"),
        (2, "ticket", "annotation", "CHG-2b"),
    ]


def test_what_stood_there_when_the_watch_began_is_said_of_nothing(tmp_path: Path) -> None:
    story = Story()
    story.state(7, ticket="CHG-0")
    story.state(8, ticket="CHG-0")
    assert statements(story.values, tmp_path) == []


def test_statements_do_not_depend_on_the_order_of_records(tmp_path: Path) -> None:
    story = Story()
    for generation, said in (
        (1, {}),
        (1, {"ticket": "A"}),
        (2, {"ticket": "A"}),
        (2, {"ticket": "B"}),
        (3, {"ticket": "B", "undo": intent(2, ticket="C")}),
        (3, {"ticket": "A", "undo": intent(2, ticket="C")}),
        (4, {"ticket": "A", "undo": intent(2, ticket="C")}),
    ):
        story.state(generation, **said)
    story.note(number=2, ticket="LATE-1")
    story.note(number=2, message="approved by phone")
    expected = normal_form(folded(story.values, tmp_path / "whole.db"))
    assert [row[1:] for row in expected["statements"]] == [
        (1, "ticket", "annotation", "A"),
        (2, "ticket", "annotation", "B"),
        (3, "ticket", "annotation", "A"),
        (3, "ticket", "undo annotation", "C"),
    ]
    assert len(expected["notes"]) == 2
    for seed in range(20):
        dice = random.Random(seed)
        mixed = [*story.values, *dice.sample(story.values, 3)]
        dice.shuffle(mixed)
        got = normal_form(folded(mixed, tmp_path / f"{seed}.db", batch=dice.choice((1, 3, 100))))
        assert (got["statements"], got["notes"]) == (expected["statements"], expected["notes"])


def test_what_our_undo_was_told_is_said_of_its_own_write(tmp_path: Path) -> None:
    story = Story()
    told = intent(2, reason="crash loop", ticket="CHG-9", label="1")
    story.state(1)
    story.state(2)
    story.state(3, undo=told)
    story.state(4, undo=told)
    assert statements(story.values, tmp_path) == [
        (3, "reason", "undo annotation", "crash loop"),
        (3, "ticket", "undo annotation", "CHG-9"),
    ]


def test_an_undo_of_another_generation_says_nothing(tmp_path: Path) -> None:
    story = Story()
    story.state(1)
    story.state(2, undo=intent(7, ticket="CHG-9"))
    assert statements(story.values, tmp_path) == []


@pytest.mark.parametrize(
    ("annotation", "earlier", "is_told"),
    [
        (intent(4), None, True),
        (intent(4), intent(3), True),
        (intent(4), intent(4), False),
        (intent(3), None, False),
        (intent(5), None, False),
        ("not JSON", None, False),
        ("[" * 100_000, None, False),
        ("[4]", None, False),
        ('{"generation": 4}', None, False),
        (None, intent(4), False),
        (None, None, False),
    ],
)
def test_the_undo_annotation_counts_where_it_is_new_with_the_generation_after_its_base(
    annotation: str | None, earlier: str | None, is_told: bool
) -> None:
    found = undo_intent(annotation, earlier=earlier, generation=5)
    assert bool(found) is is_told
    assert not is_told or found["revision"] == 1


@pytest.mark.parametrize(
    ("annotation", "earlier", "is_one"),
    [
        pytest.param(intent(4), None, True, id="of this very write"),
        pytest.param(intent(3), intent(3), False, id="of the write before, carried along"),
        pytest.param(intent(3), None, False, id="copied from elsewhere"),
    ],
)
def test_our_undo_is_one_in_the_state_where_it_first_appears(
    annotation: str, earlier: str | None, is_one: bool
) -> None:
    before = replace(state(10, 4, 2), undo_annotation=earlier)
    after = replace(state(11, 5, 1), undo_annotation=annotation)
    assert is_undo(Write(after, before, ())) is is_one
    assert bool(intent_of(Write(after, before, ()))) is is_one


def test_a_note_that_is_delivered_twice_is_one(tmp_path: Path) -> None:
    story = Story()
    story.note(number=1, ticket="CHG-1")
    story.note(number=1, ticket="CHG-1")
    path = folded([*story.values, *story.values], tmp_path / "l.db")
    said = "select ticket, said_by from notes"
    assert answer(path, said) == [("CHG-1", "carol@desk")] * 2


@pytest.mark.parametrize("is_whole_first", [True, False])
def test_of_two_records_of_one_request_the_one_that_tells_more_stands(
    tmp_path: Path, is_whole_first: bool
) -> None:
    values = values_of(STREAMS / "writers.jsonl.zst")
    whole = [value for value in values if is_audit(value)]
    cut = [truncated(value) for value in whole]
    rest = [value for value in values if not is_audit(value)]
    pair = (whole, cut) if is_whole_first else (cut, whole)
    expected = normal_form(folded([*rest, *whole], tmp_path / "expected.db"))
    got = normal_form(folded([*rest, *pair[0], *pair[1]], tmp_path / "l.db", batch=50))
    assert (got["actions"], got["attributions"]) == (
        expected["actions"],
        expected["attributions"],
    )


def kept(tmp_path: Path, columns: str, **told: Any) -> tuple[Any, ...]:
    """What the ledger keeps of an audit record that says this too."""
    values = values_of(STREAMS / "writers.jsonl.zst")
    envelope = from_bytes(next(value for value in values if is_audit(value)))
    envelope["data"] |= told
    path = folded([to_bytes(envelope)], tmp_path / "l.db")
    [row] = answer(path, f"select {columns} from actions")
    return tuple(row)


@pytest.mark.parametrize(
    ("told", "uid"),
    [
        ({"verb": "create", "kind": "pods", "subresource": "eviction", "version": None}, ""),
        ({"verb": "create", "version": None}, ""),
        ({"verb": "create", "version": 7}, "told"),
        ({"verb": "patch", "version": None}, "told"),
    ],
    ids=str,
)
def test_the_uid_in_what_is_to_be_created_is_its_clients_choice_until_an_answer_tells_it(
    tmp_path: Path, told: dict[str, Any], uid: str
) -> None:
    assert kept(tmp_path, "uid", **told, uid="told") == (uid,)


def test_the_version_that_a_request_was_to_be_written_over_is_kept(tmp_path: Path) -> None:
    told = {"version": 7, "requestVersion": 6}
    assert kept(tmp_path, "required_version, resource_version", **told) == (6, 7)


def test_that_paths_were_left_out_is_kept_as_a_path_that_may_be_any(tmp_path: Path) -> None:
    told = {"verb": "patch", "touched": ["/spec/x"], "cut": True}
    assert kept(tmp_path, "touched", **told) == ('["/spec/x","/*"]',)


@pytest.mark.parametrize(
    "odd",
    [
        {"received": "yesterday"},
        {"completed": "0001-01-01T00:00:00Z"},
        {"completed": "9999-12-31T23:59:59Z"},
        {"code": 2**63},
        {"generation": 2**63},
        {"replicas": -1},
    ],
    ids=str,
)
def test_a_request_of_no_time_or_with_a_number_that_nobody_has_is_kept_aside(
    tmp_path: Path, odd: dict[str, Any]
) -> None:
    values = values_of(STREAMS / "writers.jsonl.zst")
    envelope = from_bytes(next(value for value in values if is_audit(value)))
    envelope["data"] |= odd
    path = folded([to_bytes(envelope)], tmp_path / "l.db")
    assert answer(path, "select count(*) from rejects") == [(1,)]


@pytest.mark.parametrize(
    "data",
    [{"verb": "patch"}, {"workloadUid": UID}, {"verb": "patch", "stage": 7}, {}],
)
@pytest.mark.parametrize("fact", ["audit", "note"])
def test_what_is_no_request_and_no_note_is_kept_aside(
    tmp_path: Path, fact: str, data: dict[str, Any]
) -> None:
    story = Story()
    story.note(number=1, ticket="CHG-1")
    envelope = from_bytes(story.values[0])
    envelope |= {"type": f"rollout-ledger.{fact}.v1", "data": data}
    path = folded([to_bytes(envelope)], tmp_path / "l.db")
    assert answer(path, "select count(*) from rejects") == [(1,)]
