"""Cases 10 to 15, 19 and 22: numbers, names and bytes that are not what one would think."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from consumers.pruning import Scene, Sibling, why_deleted
from ledger.canonical import normal_template
from ledger.revision_hash import name_hash, name_of
from tests.cases import case
from tests.lab.recording import STREAMS, read_recording
from tests.recorded import folded
from tests.stories import Story

ROLLOUT = "a plain rollout"


def changed(story: Story, change: Callable[[bytes], bytes]) -> list[bytes]:
    """The records of the first rollout, those of its revisions changed."""
    values = story.values[: story.chapters[ROLLOUT].records]
    subject = b"controllerrevisions/default/plain-"
    made = [change(value) if subject in value else value for value in values]
    assert made != values
    return made


def asked(values: list[bytes], path: Path, statement: str) -> list[tuple[Any, ...]]:
    """What a ledger of the records answers."""
    return sqlite3.connect(folded(values, path)).execute(statement).fetchall()


def recorded_revisions() -> Iterator[dict[str, Any]]:
    """Every state of a ControllerRevision that a real control plane gave, as it was."""
    for path in sorted(STREAMS.glob("*.zst")):
        for line in read_recording(path):
            if line["op"] == "watch" and line["stream"] == "controllerrevisions":
                raw = json.loads(line["raw"])
                owners = raw["object"]["metadata"].get("ownerReferences", [])
                if [owner["kind"] for owner in owners] == ["StatefulSet"]:
                    yield raw["object"]


@case(10, stream="constructed")
def test_two_revisions_numbered_0_are_both_kept_by_creation(
    rollouts: Story, tmp_path: Path
) -> None:
    def zeroed(value: bytes) -> bytes:
        return value.replace(b'"revision":1', b'"revision":0').replace(
            b'"revision":2', b'"revision":0'
        )

    statement = "select number, name from revisions order by created_at, observed_at"
    found = asked(changed(rollouts, zeroed), tmp_path / "ledger.db", statement)
    assert found == [(0, "plain-77f986ccf9"), (0, "plain-84cbbb56d")]


@case(11, stream="constructed")
def test_a_name_given_after_a_collision_is_no_other_revision(
    rollouts: Story, tmp_path: Path
) -> None:
    values = rollouts.values[: rollouts.chapters[ROLLOUT].records]
    # The label keeps the hash that was worked out before the collision was seen.
    made = [value.replace(b'/plain-84cbbb56d"', b'/plain-collided"') for value in values]
    made = [
        value.replace(b'"name":"plain-84cbbb56d"', b'"name":"plain-collided"') for value in made
    ]
    made = [
        value.replace(b'Revision":"plain-84cbbb56d"', b'Revision":"plain-collided"')
        for value in made
    ]
    statement = "select number, name, trigger from revisions order by number"
    assert asked(made, tmp_path / "ledger.db", statement) == [
        (1, "plain-77f986ccf9", "create"),
        (2, "plain-collided", "change"),
    ]


@case(12, stream="recorded")
def test_the_name_of_every_real_revision_is_the_hash_of_its_data() -> None:
    found = list(recorded_revisions())
    assert len(found) > 100
    for raw in found:
        name, set_name = raw["metadata"]["name"], raw["metadata"]["ownerReferences"][0]["name"]
        assert name == name_of(set_name, raw["data"], 0)
        template = normal_template(raw["data"]["spec"]["template"])
        assert name_hash(name, template, set_name=set_name) == "matches"
        edited = json.loads(json.dumps(template).replace("ClusterFirst", "Default"))
        assert edited != template
        assert name_hash(name, edited, set_name=set_name) == "differs"
    data = found[0]["data"]
    assert name_of("web", data, 1) != name_of("web", data, 0)


@case(13, stream="constructed")
def test_a_creation_timestamp_of_null_is_the_same_template(rollouts: Story, tmp_path: Path) -> None:
    def nulled(value: bytes) -> bytes:
        before = b'"$patch":"replace","metadata":{'
        return value.replace(before, before + b'"creationTimestamp":null,')

    statement = "select number, trigger, generation, summary, template_id from revisions order by 1"
    found = asked(changed(rollouts, nulled), tmp_path / "nulled.db", statement)
    values = rollouts.values[: rollouts.chapters[ROLLOUT].records]
    plain = asked(values, tmp_path / "plain.db", statement)
    assert found == plain


@case(13, stream="constructed")
def test_both_spellings_of_a_template_have_two_names_and_one_normal_form() -> None:
    for raw in recorded_revisions():
        name, set_name = raw["metadata"]["name"], raw["metadata"]["ownerReferences"][0]["name"]
        template = raw["data"]["spec"]["template"]
        metadata = {"creationTimestamp": None} | template["metadata"]
        older = template | {"metadata": metadata}
        older_name = name_of(set_name, {"spec": {"template": older}}, 0)
        assert older_name != name
        assert normal_template(older) == normal_template(template)
        for each in (name, older_name):
            assert name_hash(each, normal_template(template), set_name=set_name) == "matches"


@case(19, stream="constructed")
@pytest.mark.parametrize(
    ("in_use", "why"), [("web-1 web-4", "deleted by hand"), ("web-4", "history limit 2")]
)
def test_a_pod_stuck_on_an_old_revision_protects_it_from_the_limit(in_use: str, why: str) -> None:
    siblings = [Sibling(f"r{n}", f"web-{n}", n) for n in range(1, 5)]
    assert why_deleted("r1", Scene(siblings, [(2, frozenset(in_use.split()))], False)) == why


@case(22, stream="constructed")
def test_a_number_far_ahead_leaves_a_bounded_ledger(rollouts: Story, tmp_path: Path) -> None:
    def far(value: bytes) -> bytes:
        return value.replace(b'"revision":2', b'"revision":100002')

    statement = "select number, label, trigger from revisions order by number"
    found = asked(changed(rollouts, far), tmp_path / "ledger.db", statement)
    assert len(found) < 2_000
    assert (found[0][0], found[-1][0]) == (1, 100002)
    assert sum(trigger == "unseen" for _, _, trigger in found) == len(found) - 2
