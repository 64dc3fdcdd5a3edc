"""Cases 37 to 55: how far a rollout came, told from the pods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.cli import run
from ledger.rollout.budget import Budget
from ledger.rollout.kubectl import status_line
from ledger.rollout.pods import PodState, pod_state
from ledger.rollout.sets import SetStatus, set_status
from ledger.rollout.verdict import Absences, verdict
from ledger.status import Standing, remedies, standing
from tests.cases import case
from tests.stories import Story, pods, revisions, rollout, statuses, workload

NOW = "2026-11-23T11:05:00.000000Z"


def standing_of(story: Story, name: str, step: str) -> Standing:
    """How a set stands at the end of a step."""
    return standing(story.reader(step), workload(story, name, "uid", step)[0])


def told(story: Story, name: str, step: str) -> str:
    """What kubectl said of a set's rollout."""
    (one,) = (each for each in statuses(story) if (each.step, each.name) == (step, name))
    return one.stdout or one.stderr


def a_set(**spec: object) -> SetStatus:
    """A set of three, seen by its controller, whose counters say that all is done."""
    counts = ("replicas", "readyReplicas", "availableReplicas", "updatedReplicas")
    status = {"observedGeneration": 2, "currentRevision": "old", "updateRevision": "new"}
    return set_status(
        {
            "metadata": {"name": "web", "generation": 2},
            "spec": {"replicas": 3, **spec},
            "status": status | dict.fromkeys(counts, 3),
        }
    )


def a_pod(ordinal: int, revision: str, *, ready: bool = True, reason: str = "") -> PodState:
    """A pod of that set."""
    waiting = {"waiting": {"reason": reason}} if reason else {"running": {}}
    owner = {"kind": "StatefulSet", "name": "web", "uid": "set", "controller": True}
    return pod_state(
        {
            "metadata": {
                "name": f"web-{ordinal}",
                "namespace": "default",
                "uid": f"pod-{ordinal}",
                "creationTimestamp": "2026-11-23T11:00:00Z",
                "labels": {"controller-revision-hash": revision},
                "ownerReferences": [owner | {"apiVersion": "apps/v1"}],
            },
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": str(ready)}],
                "containerStatuses": [{"name": "app", "state": waiting, "restartCount": 0}],
            },
        }
    )


def phase(status: SetStatus, seen: Sequence[PodState]) -> str:
    """The verdict's phase."""
    return verdict(status, list(seen), Absences("web"), now=NOW).phase


@case(37, stream="recorded")
def test_on_delete_a_pod_takes_the_update_and_the_current_revision_moves_when_all_have(
    rollouts: Story,
) -> None:
    assert rollout(rollouts, "hand", "phase", "nothing moves by itself") == ("staged",)
    step = "the first by hand"
    current, update = workload(rollouts, "hand", "current_revision, update_revision", step)
    assert pods(rollouts, "hand", "ordinal, revision", step) == [
        (0, current),
        (1, current),
        (2, update),
    ]
    step = "the others by hand"
    # completeUpdate does not ask for the strategy: docs/kubernetes.md.
    assert workload(rollouts, "hand", "current_revision, update_revision", step) == (
        update,
        update,
    )
    assert {row[0] for row in pods(rollouts, "hand", "revision", step)} == {update}
    assert rollout(rollouts, "hand", "phase", step) == ("complete",)


@case(38, stream="recorded")
def test_below_the_partition_a_pod_comes_back_on_the_current_revision(rollouts: Story) -> None:
    before = "three revisions at once"
    after = "below the partition it comes back old"
    current, update = workload(rollouts, "held", "current_revision, update_revision", before)
    middle = pods(rollouts, "held", "revision", before)[1][0]
    assert middle not in (current, update)
    assert pods(rollouts, "held", "revision", after) == [(current,), (current,), (update,)]
    assert workload(rollouts, "held", "current_revision", after) == (current,)


@case(39, stream="recorded")
def test_a_partition_above_every_pod_is_staged_though_kubectl_says_complete(
    rollouts: Story,
) -> None:
    step = "no pod takes it"
    assert told(rollouts, "held", step).startswith("partitioned roll out complete: 0 new pods")
    judged = standing_of(rollouts, "held", step).verdict
    assert (judged.phase, judged.updated, judged.wanted) == ("staged", 0, 3)


@case(40, stream="recorded")
def test_raising_the_partition_takes_nothing_back_and_the_pods_tell(rollouts: Story) -> None:
    step = "raise the partition over what was done"
    current, update = workload(rollouts, "held", "current_revision, update_revision", step)
    assert pods(rollouts, "held", "revision", step) == [(current,), (current,), (update,)]
    judged = standing_of(rollouts, "held", step).verdict
    assert (judged.phase, judged.updated) == ("staged", 1)


@case(41, stream="recorded")
def test_three_revisions_live_at_once_and_each_pod_tells_its_own(rollouts: Story) -> None:
    found = standing_of(rollouts, "held", "three revisions at once")
    numbers = {pod.name: found.numbers[pod.revision] for pod in found.pods}
    assert numbers == {"held-0": 1, "held-1": 2, "held-2": 3}


@case(42, stream="constructed")
def test_counters_that_lie_do_not_move_the_verdict() -> None:
    status = a_set(updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
    old, new = [a_pod(n, "old") for n in range(3)], [a_pod(n, "new") for n in range(3)]
    assert status_line(status)[0].startswith("partitioned roll out complete: 3")
    assert phase(status, old) == "progressing"
    assert phase(replace(status, updated_pods=0, ready_pods=0), new) == "complete"


@case(43, stream="recorded")
def test_kubectls_two_words_for_done_are_both_complete(rollouts: Story) -> None:
    plain, calm = "a plain rollout", "calm waits after each pod"
    assert told(rollouts, "plain", plain).startswith("partitioned roll out complete: 3 new pods")
    assert told(rollouts, "calm", calm).startswith("statefulset rolling update complete 2 pods")
    assert rollout(rollouts, "plain", "phase", plain) == ("complete",)
    assert rollout(rollouts, "calm", "phase", calm) == ("complete",)


@case(44, stream="recorded")
def test_ready_for_less_than_min_ready_seconds_is_settling_though_kubectl_says_complete(
    rollouts: Story,
) -> None:
    step = "ready but not yet available"
    assert told(rollouts, "calm", step).startswith("statefulset rolling update complete 2 pods")
    assert rollout(rollouts, "calm", "phase, finished_at", step) == ("settling", None)
    assert rollout(rollouts, "calm", "phase", "and then available") == ("complete",)


@case(45, stream="recorded")
def test_two_of_five_may_be_unavailable_and_two_that_are_hold_up_the_others(
    rollouts: Story,
) -> None:
    found = standing_of(rollouts, "wide", "a bad image for wide")
    assert found.status.max_unavailable == "2"
    assert found.budget == Budget(allowed=2, unavailable=(3, 4), waiting=(0, 1, 2))
    assert (found.verdict.phase, found.verdict.updated) == ("stalled", 2)


@case(46, stream="recorded")
def test_in_parallel_pods_are_replaced_at_once_and_in_any_order(rollouts: Story) -> None:
    step = "two at a time"
    going = rollouts.select(
        """
        select min(pod_states.observed_at) from pod_states
        join pod_runs on pod_runs.object_id = pod_states.object_id
        where pod_runs.name like 'wide-%' and pod_states.terminating_at is not null
        group by pod_runs.uid order by 1""",
        step,
    )
    gone = rollouts.select(
        "select deleted_at from pod_runs where name like 'wide-%' and deleted_at order by 1", step
    )
    assert (len(going), len(gone)) == (5, 5)
    assert going[1] < gone[0]
    assert rollout(rollouts, "wide", "phase, wanted, updated", step) == ("complete", 5, 5)


@case(47, stream="recorded")
def test_a_rollback_stuck_on_the_pod_it_should_replace_is_stalled_with_its_remedy(
    rollouts: Story,
) -> None:
    step = "a rollback that sticks"
    found = standing_of(rollouts, "stuck", step)
    (blocker,) = found.verdict.blockers
    assert (found.verdict.phase, blocker.pod, blocker.reason, blocker.is_trap) == (
        "stalled",
        "stuck-4",
        "ImagePullBackOff",
        True,
    )
    assert [command for command, _ in remedies(found, blocker)] == [
        "rollout-ledger undo sts/stuck -n default --unstick",
        "kubectl delete pod stuck-4 -n default",
    ]
    healed = rollout(rollouts, "stuck", "phase, trap", "healed by deleting the pod")
    assert healed == ("complete", 1)


@case(48, stream="recorded")
@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("wide", "undone, and wide heals by itself"),
        ("hand", "undone, hand-1 waits for a hand"),
        ("held", "undone below the partition"),
        ("ending", "undone while the bad pod is going"),
        ("stuck", "a bad image for stuck"),
        ("stuck", "healed by deleting the pod"),
    ],
)
def test_what_only_looks_like_the_trap_is_none(rollouts: Story, name: str, step: str) -> None:
    assert not any(each.is_trap for each in standing_of(rollouts, name, step).verdict.blockers)


@case(48, stream="constructed")
@pytest.mark.parametrize(
    ("spec", "is_stuck"),
    [
        ({}, True),
        ({"podManagementPolicy": "Parallel"}, False),
        ({"updateStrategy": {"type": "OnDelete"}}, False),
        ({"updateStrategy": {"type": "Recreate"}}, False),
        ({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}}, False),
    ],
)
def test_the_trap_needs_ordered_pods_that_the_update_reaches(
    spec: dict[str, object], is_stuck: bool
) -> None:
    status = replace(a_set(**spec), current_revision="new")
    seen = [
        a_pod(0, "new"),
        a_pod(1, "new"),
        a_pod(2, "given-up", ready=False, reason="ErrImagePull"),
    ]
    found = verdict(status, seen, Absences("web"), now=NOW)
    assert any(each.is_trap for each in found.blockers) == is_stuck


@case(49, stream="recorded")
def test_a_pod_not_yet_updated_may_come_back_on_the_old_revision(rollouts: Story) -> None:
    step = "one not yet updated comes back as it was"
    current, update = workload(rollouts, "mid", "current_revision, update_revision", step)
    found = pods(rollouts, "mid", "ordinal, revision, ready", step)
    assert found == [(0, current, 1), (1, current, 1), (2, update, 0)]
    again = rollouts.select("select count(*) from pod_runs where name = 'mid-0'", step)
    assert again == [(2,)]


@case(50, stream="recorded")
def test_a_scale_down_is_no_rollout_and_takes_the_highest_first(rollouts: Story) -> None:
    step = "scale down in the middle"
    before = revisions(rollouts, "mid", "number", "one not yet updated comes back as it was")
    assert revisions(rollouts, "mid", "number", step) == before
    assert {ordinal for (ordinal,) in pods(rollouts, "mid", "ordinal", step)} == {0, 1}
    (wanted,) = rollout(rollouts, "mid", "wanted", step)
    assert wanted == 2


@case(51, stream="recorded")
def test_a_failed_pod_is_replaced_without_a_rollout(rollouts: Story) -> None:
    step = "a pod failed and was replaced"
    assert revisions(rollouts, "plain", "number", step) == [(1,), (2,)]
    found = rollouts.select(
        "select revision, phase from pod_runs where name = 'plain-0' order by observed_at", step
    )
    assert [phase for _, phase in found] == ["Running", "Failed", "Running"]
    assert found[1][0] == found[2][0]
    assert rollout(rollouts, "plain", "number, phase", step) == (2, "complete")


@case(52, stream="recorded")
def test_a_partition_counts_from_the_first_ordinal(rollouts: Story) -> None:
    step = "all but the first of shifted"
    current, update = workload(rollouts, "shifted", "current_revision, update_revision", step)
    assert pods(rollouts, "shifted", "ordinal, revision", step) == [
        (5, current),
        (6, update),
        (7, update),
    ]
    judged = standing_of(rollouts, "shifted", step).verdict
    assert (judged.phase, judged.updated) == ("staged", 2)


@case(53, stream="recorded")
def test_another_first_ordinal_moves_the_pods_and_leaves_the_claims(
    rollouts: Story, volumes: Story
) -> None:
    assert [n for (n,) in pods(rollouts, "shifted", "ordinal", "begin at 3")] == [3, 4, 5]
    claims = volumes.rows("claim_status", "begin at 3", name="later")
    assert [(row["ordinal"], row["status"]) for row in claims] == [
        (3, "mounted"),
        (4, "mounted"),
        (5, "left behind"),
    ]


@case(54, stream="constructed")
def test_unknown_strategies_and_conditions_are_taken_as_they_come() -> None:
    raw_set = {
        "metadata": {"name": "web", "generation": 1},
        "spec": {"replicas": 1, "updateStrategy": {"type": "Recreate", "recreate": {"a": 1}}},
        "status": {
            "observedGeneration": 1,
            "updateRevision": "new",
            "currentRevision": "new",
            "conditions": [{"type": "Progressing", "status": "Unknown", "more": []}],
        },
    }
    status = set_status(raw_set)
    assert status.strategy == "Recreate"
    assert phase(status, [a_pod(0, "new")]) == "complete"
    assert phase(status, [a_pod(0, "old", ready=False)]) in ("progressing", "staged")


@case(55, stream="recorded")
def test_status_does_not_follow_the_next_set_of_the_name(
    rollouts: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger: Path = rollouts.ledger("delete plain")
    arguments = ["status", "sts/plain", "-n", "default", "--ledger", str(ledger)]
    assert run([*arguments, "--watch=false"]) == 3
    assert "was deleted at" in capsys.readouterr().err
    assert run([*arguments, "-o", "kubectl"]) == 1
    assert capsys.readouterr().err == (
        'Error from server (NotFound): statefulsets.apps "plain" not found\n'
    )
    uid = workload(rollouts, "plain", "uid", "delete plain")[0]
    assert standing(rollouts.reader(), uid).is_deleted
    assert workload(rollouts, "plain", "uid")[0] != uid
