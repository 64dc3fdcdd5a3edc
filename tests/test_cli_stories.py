"""What `status`, `rollouts`, `volumes` and `blame` print of recorded stories."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ledger.cli import run
from tests.stories import Story, workload

Print = Callable[..., str]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Print:
    """What a command prints about a story at the end of a step; both streams, without the line on
    freshness.
    """

    def printing(story: Story, *arguments: str, step: str = "", code: int = 0) -> str:
        ledger = ["--ledger", str(story.ledger(step))]
        assert run([*arguments, *ledger]) == code
        said = capsys.readouterr()
        lines = (said.out + (said.err if code else "")).splitlines()
        return "\n".join(line.rstrip() for line in lines if not line.startswith("Recording:"))

    return printing


def words(text: str) -> list[list[str]]:
    """The lines as words, whatever their spacing."""
    return [line.split() for line in text.splitlines()]


def test_status_names_the_pod_that_holds_it_up_and_what_heals_it(
    rollouts: Story, printed: Print
) -> None:
    asked = ["status", "sts/stuck", "-n", "default", "--watch=false"]
    told = printed(rollouts, *asked, step="a rollback that sticks")
    assert told.splitlines()[0].startswith("statefulset.apps/stuck   rev 2 -> 3   RollingUpdate")
    assert words(told)[1][:4] == ["stuck-4", "old", "rev", "2"]
    assert "blocks the rollout" in told.splitlines()[1]
    assert "kubernetes#67250" in told
    assert "  kubectl delete pod stuck-4 -n default    # the same by hand" in told.splitlines()


def test_status_of_a_refused_pod_tells_who_refused_it(rollouts: Story, printed: Print) -> None:
    asked = ["status", "sts/poor", "-n", "default", "--watch=false"]
    told = printed(rollouts, *asked, step="a quota refuses its pod")
    assert "stalled" in told.splitlines()[0]
    assert 'pods "poor-0" is forbidden: exceeded quota: none' in told


def test_status_of_pods_held_back_says_by_what(rollouts: Story, printed: Print) -> None:
    asked = ["status", "sts/held", "-n", "default", "--watch=false"]
    told = printed(rollouts, *asked, step="three revisions at once")
    assert [line[:4] for line in words(told)[1:4]] == [
        ["held-2", "new", "rev", "3"],
        ["held-1", "old", "rev", "2"],
        ["held-0", "old", "rev", "1"],
    ]
    assert told.count("held back by the partition") == 2


def test_status_json_has_each_pod_with_its_number(rollouts: Story, printed: Print) -> None:
    asked = ["status", "sts/held", "-n", "default", "--watch=false", "-o", "json"]
    (item,) = json.loads(printed(rollouts, *asked, step="three revisions at once"))["items"]
    assert item["phase"] == "staged"
    assert {pod["name"]: pod["number"] for pod in item["pods"]} == {
        "held-0": 1,
        "held-1": 2,
        "held-2": 3,
    }


def test_rollouts_lists_each_with_what_held_it_up(rollouts: Story, printed: Print) -> None:
    asked = ["rollouts", "sts/stuck", "-n", "default"]
    told = words(printed(rollouts, *asked, step="healed by deleting the pod"))
    assert [line[0] for line in told[1:]] == [
        "default/stuck/3",
        "default/stuck/2",
        "default/stuck/1",
    ]
    assert [line[2] for line in told[1:]] == ["complete", "undone", "complete"]
    assert told[1][-3:] == ["stuck-4", "ImagePullBackOff", "(kubernetes#67250)"]


def test_one_rollout_is_told_pod_by_pod(rollouts: Story, printed: Print) -> None:
    told = printed(rollouts, "rollouts", "default/wide/2", step="two at a time")
    assert told.splitlines()[0] == "rollout default/wide/2   rev 1 -> 2   complete"
    pods = [line[1] for line in words(told) if line and line[0].isdigit()]
    assert sorted(pods) == [f"wide-{ordinal}" for ordinal in range(5)]


def test_a_pod_begins_to_go_when_it_is_seen_to_go_not_when_its_grace_ends(rollouts: Story) -> None:
    (uid,) = workload(rollouts, "wide", "uid", "two at a time")
    rows = rollouts.rows("rollout_pods", "two at a time", workload_uid=uid, number="2")
    assert len(rows) == 5
    assert all(row["going_at"] < row["gone_at"] for row in rows)
    assert all(row["took_seconds"] >= row["ready_seconds"] for row in rows)


def test_volumes_says_what_was_left_behind_and_what_drifted(volumes: Story, printed: Print) -> None:
    told = printed(volumes, "volumes", "sts/my-db", step="make it again, larger")
    lines = told.splitlines()
    assert "enlarged by hand: 1Gi -> 3Gi, template asks 2Gi" in lines[2]
    assert "drift: template asks 2Gi, claim has 1Gi" in lines[3]
    left = printed(volumes, "volumes", "-A", "--orphans")
    assert "data-later-5" in left
    assert "data-later-4" not in left


def test_volumes_tells_what_deleting_and_scaling_would_do(volumes: Story, printed: Print) -> None:
    step = "brief, which keeps nothing"
    told = words(printed(volumes, "volumes", "sts/brief", "--if-deleted", step=step))
    assert [line[2] for line in told[1:]] == ["DELETED"] * 3
    told = words(printed(volumes, "volumes", "sts/brief", "--if-scaled", "1", step=step))
    assert [line[2] for line in told[1:]] == ["KEPT", "DELETED", "DELETED"]
    told = words(printed(volumes, "volumes", "sts/my-db", "--if-deleted", step=step))
    assert {line[2] for line in told[1:]} == {"KEPT"}
    wrong = printed(volumes, "volumes", "sts/brief", "--if-scaled", "-1", step=step, code=2)
    assert wrong.splitlines()[0] == "error: -1 is no number of replicas"


def test_what_would_be_is_what_then_was(volumes: Story, printed: Print) -> None:
    before, after = "brief, which keeps nothing", "scale away a claim"
    told = words(printed(volumes, "volumes", "sts/brief", "--if-scaled", "2", step=before))
    foretold = {line[0] for line in told[1:] if line[2] == "KEPT"}
    rows = volumes.rows("claim_status", after, name="brief")
    assert {row["claim"] for row in rows} == foretold


def test_blame_names_the_revision_that_set_a_field(rollouts: Story, printed: Print) -> None:
    told = words(printed(rollouts, "blame", "sts/stuck", "image", "-n", "default"))
    assert told[1][:2] == ["containers[nginx].image", "3"]
    assert told[1][-1] == "nginx:1.24"
    told = words(printed(rollouts, "blame", "sts/held", "partition", "-n", "default"))
    assert told[1][1] == "g10"
    wrong = printed(rollouts, "blame", "sts/held", "partitio", "-n", "default", code=3)
    assert "did you mean" in wrong


def test_history_tells_changes_that_made_no_revision(rollouts: Story, printed: Print) -> None:
    told = words(printed(rollouts, "history", "sts/held", "-n", "default", "--all-changes"))
    labels = [line[0] for line in told[2:]]
    assert labels == ["5", "g10", "4", "g8", "g7", "3", "g5", "g4", "2", "g2", "1"]
