"""Cases 10 to 15, 19 and 22: numbers, names and bytes that are not what one would think."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from consumers.pruning import Scene, Sibling, why_deleted
from ledger.canonical import normal_template
from ledger.cli import run
from ledger.doctor import Finding, examine
from ledger.envelope import parse
from ledger.reader import LocalReader
from ledger.revision_hash import name_hash, name_of
from ledger.settings import Settings
from ledger.show import revision
from ledger.targets import Scope, find
from tests.cases import case
from tests.lab.recording import STREAMS, read_recording
from tests.normal_form import normal_form
from tests.recorded import folded, values_of
from tests.stories import Story
from tests.test_fold_order import shuffled

ROLLOUT = "a plain rollout"
FIRST, SECOND = "plain-77f986ccf9", "plain-84cbbb56d"
"""The names of its revisions."""


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


@case(10, stream="constructed")
def test_a_number_that_is_used_again_for_another_template_is_a_change_by_somebody(
    rollouts: Story, tmp_path: Path
) -> None:
    """As when the newest revision is deleted by hand, and the template written before the
    controller has made it again.
    """

    def again(value: bytes) -> bytes:
        return value.replace(b'"revision":3', b'"revision":2')

    third = b"controllerrevisions/default/plain-854d9db94c"
    made = [again(value) if third in value else value for value in rollouts.values]
    statement = """
        select what, actor, basis
        from timeline
        where workload = 'plain' and number in (2, 3) and what <> 'unseen'
        order by position"""
    whole = asked(rollouts.values, tmp_path / "whole.db", statement)
    assert whole == [("change", "alice@example.com", "exact")] * 2
    assert asked(made, tmp_path / "ledger.db", statement) == whole


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
        assert name_hash(name, template) == "matches"
        # An adopted revision keeps the name of the set that it was made for.
        assert name_hash(f"other-{name.rpartition('-')[2]}", template, 0) == "matches"
        edited = json.loads(json.dumps(template).replace("ClusterFirst", "Default"))
        assert edited != template
        assert name_hash(name, edited) == "differs"
    data = found[0]["data"]
    assert name_of("web", data, 1) != name_of("web", data, 0)


@case(12, stream="recorded")
@pytest.mark.parametrize("name", ["demo", "rollouts", "tutorial", "volumes", "writers"])
def test_every_recorded_name_matches_its_template_unless_values_are_hidden(
    name: str, tmp_path: Path
) -> None:
    reader = LocalReader(folded(values_of(STREAMS / f"{name}.jsonl.zst"), tmp_path / "ledger.db"))
    told = set()
    for workload in find(reader, (), Scope("")):
        for row in reader.query("revision", asked_of(workload)):
            if row["template"] is not None:
                shown = revision(reader, workload, row["label"])
                hidden = "redacted:" in row["template"]
                assert shown.name_hash == ("unchecked" if hidden else "matches")
                told.add(shown.name_hash)
    assert "matches" in told
    assert ("unchecked" in told) == (name in ("demo", "tutorial"))


def misnamed(value: bytes) -> bytes:
    """Its name is not what the controller would have given it."""
    return value.replace(b"plain-84cbbb56d", b"plain-6f8c9b7d4")


def edited(value: bytes) -> bytes:
    """What it holds is not what it was named for."""
    return value.replace(b'"nginx:1.25"', b'"nginx:1.66"')


@case(12, stream="constructed")
@pytest.mark.parametrize("change", [misnamed, edited])
def test_a_revision_made_by_hand_or_damaged_is_told(
    rollouts: Story,
    change: Callable[[bytes], bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = Settings(tmp_path)
    settings.ledger_path.parent.mkdir()
    folded(changed(rollouts, change), settings.ledger_path)
    assert name_hash_shown(tmp_path, "2", capsys) == (
        "does not match the template: corrupted, or made by hand"
    )
    assert name_hash_shown(tmp_path, "1", capsys) == "matches the template"
    [finding] = checked_names(settings)
    assert finding.state == "warning"
    assert re.search(r"by hand or damaged it: default/plain 2, plain-\w+$", finding.detail)
    assert "show sts/NAME --revision N" in finding.remedy


@case(12, stream="recorded")
def test_nothing_is_told_of_names_that_match(
    rollouts: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(tmp_path)
    settings.ledger_path.parent.mkdir()
    folded(rollouts.values[: rollouts.chapters[ROLLOUT].records], settings.ledger_path)
    assert checked_names(settings) == []
    assert name_hash_shown(tmp_path, "2", capsys) == "matches the template"


@case(12, stream="constructed")
@pytest.mark.parametrize(
    ("recorded", "told"),
    [(2, "matches the template"), (7, "matches the template"), (1, "does not match")],
)
def test_a_name_given_after_collisions_is_checked_with_each_count_up_to_the_sets(
    rollouts: Story, recorded: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = rollouts.values[: rollouts.chapters[ROLLOUT].records]
    (data, *_) = [raw["data"] for raw in recorded_revisions() if raw["metadata"]["name"] == SECOND]
    name, count = name_of("plain", data, 2), f'"collisionCount":{recorded}'
    assert any(b'"collisionCount":0' in value for value in values)
    made = [
        value.replace(SECOND.encode(), name.encode()).replace(b'"collisionCount":0', count.encode())
        for value in values
    ]
    settings = Settings(tmp_path)
    settings.ledger_path.parent.mkdir()
    folded(made, settings.ledger_path)
    assert name_hash_shown(tmp_path, "2", capsys).startswith(told)


@case(12, stream="constructed")
def test_a_hidden_template_is_not_checked(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(tmp_path)
    settings.ledger_path.parent.mkdir()
    folded(values_of(demo), settings.ledger_path)
    at = {"target": "sts/postgres", "namespace": "shop"}
    assert name_hash_shown(tmp_path, "1", capsys, **at) == "not checked: values are hidden"


def asked_of(workload: Mapping[str, Any]) -> dict[str, str]:
    """What the question about an incarnation's revisions asks for."""
    names = {"namespace": workload["namespace"], "name": workload["name"]}
    return names | {"workload_uid": workload["uid"], "label": ""}


def name_hash_shown(
    data: Path,
    number: str,
    capsys: pytest.CaptureFixture[str],
    *,
    target: str = "sts/plain",
    namespace: str = "default",
) -> str:
    """What `show` says of the hash in a revision's name."""
    capsys.readouterr()
    arguments = ["show", target, "--revision", number, "-n", namespace, "--data", str(data)]
    assert run(arguments) == 0
    (line,) = [each for each in capsys.readouterr().out.splitlines() if "Name hash" in each]
    return line.removeprefix("Name hash").strip()


def checked_names(settings: Settings) -> list[Finding]:
    """What doctor says of the names of revisions."""
    none = str(settings.data / "no-kubeconfig")
    findings = asyncio.run(examine(settings, kubeconfig=none, context=None))
    return [finding for finding in findings if finding.check == "revisions"]


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


def upgraded(story: Story, *, scaled: bool) -> list[bytes]:
    """The first rollout as if a control plane upgrade had caused it: the second revision holds the
    template of the first in the bytes that servers from 1.34 on write, the first in older ones. The
    set's generation stays, or rises by a scale at the same moment.
    """
    (data, *_) = [raw["data"] for raw in recorded_revisions() if raw["metadata"]["name"] == FIRST]
    older = json.loads(json.dumps(data))
    older["spec"]["template"]["metadata"]["creationTimestamp"] = None
    names = {FIRST: name_of("plain", older, 0), SECOND: FIRST}
    hashes = {key.split("-")[1]: value.split("-")[1] for key, value in names.items()}
    first = f'"subject":"apps/controllerrevisions/default/{names[FIRST]}"'.encode()
    patch = b'"$patch":"replace","metadata":{'
    made = []
    for value in story.values[: story.chapters[ROLLOUT].records]:
        told = re.sub("|".join(hashes), lambda found: hashes[found[0]], value.decode()).encode()
        told = told.replace(b"nginx:1.25", b"nginx:1.24")
        if first in told:
            told = told.replace(patch, patch + b'"creationTimestamp":null,')
        if not scaled and b'"subject":"apps/statefulsets/' in told:
            told = re.sub(rb'(eneration"):2', rb"\1:1", told)
        made += [told] if parse(told).fact != "audit" else []
    return made


@case(13, stream="constructed")
@pytest.mark.parametrize("scaled", [False, True])
def test_a_revision_in_other_bytes_is_the_platforms_and_changes_nothing(
    rollouts: Story, scaled: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = upgraded(rollouts, scaled=scaled)
    assert sum(b'"creationTimestamp":null,"labels"' in value for value in values) == 1
    path = folded(values, tmp_path / "ledger.db")
    at = ["sts/plain", "--ledger", str(path)]
    assert run(["history", *at, "-o", "json"]) == 0
    second, first = json.loads(capsys.readouterr().out)["items"]
    assert first["name"] != second["name"]
    told = [(row["number"], row["trigger"], row["undo_of"]) for row in (first, second)]
    assert told == [(1, "create", None), (2, "platform", None)]
    assert second["summary"] == "same template, in other bytes"
    # Its pods were replaced all the same.
    assert (second["status"], second["actor"]) == ("complete", None)
    statement = "select count(distinct template_id) from revisions"
    assert sqlite3.connect(path).execute(statement).fetchall() == [(1,)]
    assert run(["diff", *at, "1..2"]) == 0
    assert "0 fields differ" in capsys.readouterr().out
    assert run(["history", *at]) == 0
    line = next(each for each in capsys.readouterr().out.splitlines() if each.startswith("2 "))
    assert "platform" in line
    assert "same template, in other bytes" in line
    reader = LocalReader(path)
    (workload,) = find(reader, ("sts/plain",), Scope())
    for number in "12":
        assert revision(reader, workload, number).name_hash == "matches"


@case(13, stream="constructed")
@pytest.mark.parametrize("scaled", [False, True])
def test_other_bytes_are_told_in_any_order_of_the_records(
    rollouts: Story, scaled: bool, tmp_path: Path
) -> None:
    values, dice = upgraded(rollouts, scaled=scaled), random.Random(13)
    expected = normal_form(folded(values, tmp_path / "expected.db"), times=True)
    for number in range(6):
        path = folded(shuffled(values, dice), tmp_path / f"{number}.db", batch=dice.choice((1, 20)))
        assert normal_form(path, times=True) == expected


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
            assert name_hash(each, normal_template(template)) == "matches"


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
