"""Random stories repeat; recordings are whole, verbatim and free of credentials."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from tests.lab.recording import STREAMS, read_recording
from tests.lab.scenarios import DEMO, ROLLOUTS, TUTORIAL, VOLUMES, Scenario, random_steps
from tests.lab.settling import WATCHED

WITHOUT_SETS = {
    "a class whose claims may grow",
    "delete my-db, the claims stay",
    "orphan its pods",
}
"""Steps at whose end there is no StatefulSet to ask about."""
RECORDED = [TUTORIAL, DEMO, ROLLOUTS, VOLUMES]


def read(scenario: Scenario) -> list[dict[str, Any]]:
    """Every line of the scenario's recording."""
    return list(read_recording(STREAMS / f"{scenario.name}.jsonl.zst"))


def test_a_seed_tells_the_same_story_again() -> None:
    names = [[step.name for step in random_steps(seed, 60)] for seed in (1, 1, 2)]
    assert names[0] == names[1] != names[2]
    assert names[0][0] == "001 create"


def test_a_longer_random_story_begins_like_the_shorter_one() -> None:
    short, long = ([step.name for step in random_steps(3, count)] for count in (40, 200))
    assert long[:40] == short


def test_the_tutorial_has_at_least_32_steps_with_names_of_their_own() -> None:
    names = [step.name for step in TUTORIAL.steps]
    assert len(names) >= 32
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("scenario", RECORDED, ids=lambda scenario: scenario.name)
def test_a_recording_begins_with_every_list_and_ends_properly(scenario: Scenario) -> None:
    lines = read(scenario)
    assert lines[0]["op"] == "header"
    assert lines[0]["format"] == 1
    assert lines[-1]["op"] == "end"
    assert {line["stream"] for line in lines[1:7]} == {*WATCHED, "events"}
    assert all(line["op"] == "list" for line in lines[1:7])
    moments = [line["at"] for line in lines[1:]]
    assert moments == sorted(moments)


@pytest.mark.parametrize("scenario", RECORDED, ids=lambda scenario: scenario.name)
def test_a_recording_holds_every_step_with_its_oracle(scenario: Scenario) -> None:
    commands = [json.loads(line["raw"]) for line in read(scenario) if line["op"] == "step"]
    recorded = [name for name, _ in itertools.groupby(command["step"] for command in commands)]
    assert recorded == [step.name for step in scenario.steps]
    oracles = {row["step"] for row in commands if row["argv"][3:5] == ["rollout", "history"]}
    assert oracles == {step.name for step in scenario.steps} - WITHOUT_SETS


@pytest.mark.parametrize("scenario", RECORDED, ids=lambda scenario: scenario.name)
def test_a_recording_holds_no_token_and_only_json(scenario: Scenario) -> None:
    for line in read(scenario):
        assert "Bearer " not in line.get("raw", "")
        if "raw" in line:
            json.loads(line["raw"])
