"""How many pods a rolling update lets be unavailable, which are, and when they hold it up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from ledger.cli.output import Screen
from ledger.cli.standing import drawn
from ledger.rollout.budget import Budget, allowed_unavailable, budget_of
from ledger.rollout.pods import PodState
from ledger.rollout.sets import SetStatus
from ledger.rollout.verdict import Absences, Verdict, newest_by_ordinal, verdict
from ledger.status import Standing
from tests.cases import case
from tests.test_cases_rollouts import a_pod, a_set

AT = "2026-11-23T11:00:00.000000Z"
SOON = "2026-11-23T11:05:00.000000Z"
LATER = "2026-11-23T11:10:00.000000Z"


def rolling(allowed: object = None, *, partition: int = 0, **spec: Any) -> SetStatus:
    """A set that is updated that way."""
    update: dict[str, object] = {"partition": partition}
    if allowed is not None:
        update["maxUnavailable"] = allowed
    return a_set(updateStrategy={"type": "RollingUpdate", "rollingUpdate": update}, **spec)


def parallel(allowed: object = None, *, partition: int = 0, **spec: Any) -> SetStatus:
    """The same with all pods at once."""
    return rolling(allowed, partition=partition, podManagementPolicy="Parallel", **spec)


def sick(ordinal: int, revision: str = "old", reason: str = "CrashLoopBackOff") -> PodState:
    """A pod that is not ready."""
    return replace(a_pod(ordinal, revision, ready=False, reason=reason), ready_changed_at=AT)


def old(*ordinals: int) -> list[PodState]:
    """Ready pods on the revision before."""
    return [a_pod(ordinal, "old") for ordinal in ordinals]


def judged(status: SetStatus, pods: Sequence[PodState], now: str = SOON) -> Verdict:
    """The verdict; what is missing is missed since the beginning."""
    return verdict(status, list(pods), Absences("web", since=AT), now=now)


def budget(status: SetStatus, pods: Sequence[PodState], now: str = SOON) -> Budget | None:
    """The budget of the set."""
    return budget_of(status, newest_by_ordinal(pods), now=now)


def printed(status: SetStatus, pods: Sequence[PodState]) -> list[str]:
    """The lines of `status`."""
    row = dict.fromkeys(
        ("number", "from_number", "started_at", "deleted_at", "finished_at", "phase")
    )
    row |= {"name": "web", "namespace": "shop"}
    told = judged(status, pods)
    stands = Standing(row, status, tuple(pods), told, SOON, {}, None)
    return [line for line, _ in drawn(stands, Screen.of("never"))]


@case(45, stream="constructed")
@pytest.mark.parametrize(
    ("written", "replicas", "allowed"),
    [
        ("34%", 3, 1),
        ("34%", 5, 1),
        ("50%", 5, 2),
        ("1%", 3, 1),
        ("100%", 3, 3),
        ("67%", 3, 2),
        ("29%", 100, 29),
        ("0%", 3, 1),
        ("50%", 0, 1),
        (2, 3, 2),
        (7, 3, 7),
        (0, 3, 1),
        (-4, 3, 1),
        (None, 3, 1),
    ],
)
def test_a_percentage_is_rounded_down_and_one_pod_always_may_be_unavailable(
    written: object, replicas: int, allowed: int
) -> None:
    assert allowed_unavailable(rolling(written, replicas=replicas)) == allowed


@case(45, stream="constructed")
@pytest.mark.parametrize(
    "written", ["many", "%", "1.5%", "", " 3%", "٣%", "9" * 400, True, [1], {}]
)
def test_a_number_that_is_none_is_told_as_written_and_decides_nothing(written: object) -> None:
    status = replace(parallel(partition=1), max_unavailable=str(written))
    assert allowed_unavailable(status) is None
    assert budget(status, [sick(0), *old(1, 2)]) is None
    assert judged(status, [sick(0), *old(1, 2)]).phase == "progressing"


def test_where_the_controller_counts_nothing_there_is_no_number() -> None:
    assert allowed_unavailable(rolling(podManagementPolicy="Later")) == 1
    assert allowed_unavailable(a_set(updateStrategy={"type": "OnDelete"})) is None
    # Without the field the gate is off, or nobody knows: all that is certain is what order does.
    assert allowed_unavailable(parallel()) is None
    bare = {"type": "RollingUpdate"}
    assert allowed_unavailable(a_set(updateStrategy=bare, podManagementPolicy="Parallel")) is None
    assert allowed_unavailable(a_set(updateStrategy=bare)) == 1


@case(45, stream="constructed")
def test_every_unavailable_pod_of_the_set_counts_also_below_the_partition() -> None:
    status = parallel(2, partition=2, replicas=7, minReadySeconds=60)
    ready = [replace(pod, ready_changed_at=AT) for pod in old(1, 2, 6)]
    going = replace(a_pod(3, "old"), terminating_at=AT)
    fresh = replace(a_pod(4, "new"), ready_changed_at="2026-11-23T11:04:30.000000Z")
    pods = [sick(0), *ready, going, fresh, a_pod(7, "old", ready=False)]
    # 5 is missing, 4 is ready for too short a time, 7 is being scaled away.
    assert budget(status, pods) == Budget(2, unavailable=(0, 3, 4, 5), waiting=(2, 6))
    filled = [*pods, a_pod(5, "new")]
    assert budget(status, filled, now=LATER) == Budget(2, (0, 3), (2, 6))
    assert budget(status, filled, now="2026-11-23T11:05:29.999999Z") == Budget(2, (0, 3, 4), (2, 6))
    assert budget(status, filled, now="2026-11-23T11:05:30.000000Z") == Budget(2, (0, 3), (2, 6))


@case(45, stream="constructed")
def test_below_the_partition_a_sick_pod_holds_up_the_others_once_the_budget_is_used_up() -> None:
    pods = [sick(0), *old(1, 2)]
    told = judged(parallel(1, partition=1), pods)
    assert (told.phase, [each.pod for each in told.blockers]) == ("stalled", ["web-0"])
    # One may still go: the update goes on beside the sick one.
    assert judged(parallel(2, partition=1), pods).phase == "progressing"
    assert judged(parallel("67%", partition=1), pods).phase == "progressing"
    # Without the gate only pods above the next one are waited for.
    assert judged(parallel(partition=1), pods).phase == "progressing"
    # Nothing is left to be updated.
    done = [sick(0), a_pod(1, "new"), a_pod(2, "new")]
    assert judged(parallel(1, partition=1), done).phase == "staged"


def test_a_pod_on_its_way_is_not_taken_for_one_that_uses_up_the_budget_for_good() -> None:
    status = parallel(2, partition=1, replicas=4)
    starting = sick(3, "new", reason="")
    told = judged(status, [sick(0), *old(1, 2), starting])
    assert (told.phase, told.due_at) == ("progressing", LATER)
    told = judged(status, [sick(0), *old(1, 2), starting], now=LATER)
    assert {each.pod for each in told.blockers} == {"web-0", "web-3"}
    # A sick one that the update reaches is replaced whatever the budget, and may come up well.
    assert judged(status, [sick(0), *old(1, 2), sick(3)]).phase == "progressing"
    # It is the time that makes a silent one stuck.
    silent = sick(0, reason="")
    told = judged(parallel(1, partition=1), [silent, *old(1, 2)])
    assert (told.phase, told.due_at) == ("progressing", LATER)
    assert judged(parallel(1, partition=1), [silent, *old(1, 2)], now=LATER).phase == "stalled"


@case(45, stream="constructed")
def test_status_tells_in_numbers_that_the_budget_is_used_up_below_the_partition() -> None:
    lines = printed(parallel("34%", partition=1), [sick(0), *old(1, 2)])
    assert lines[-2:] == [
        "  1 of 1 allowed unavailable: web-0 (below the partition)",
        "! Stalled: web-0: CrashLoopBackOff",
    ]
    lines = printed(rolling("34%", partition=1), [sick(0), *old(1), sick(2, "new")])
    assert "  2 of 1 allowed unavailable: web-0 (below the partition), web-2" in lines


def test_status_tells_when_it_is_not_the_budget_that_is_waited_for() -> None:
    told = "  1 of 2 allowed unavailable: web-2"
    pods = [*old(0, 1), sick(2, "new")]
    assert f"{told}; the others are still replaced" in printed(parallel(2), pods)
    assert f"{told}; OrderedReady waits for every pod all the same" in printed(rolling(2), pods)


def test_status_is_silent_on_numbers_where_nothing_waits_or_nothing_is_stuck() -> None:
    for pods in (
        [a_pod(0, "new"), a_pod(1, "new"), sick(2, "new")],
        [*old(0, 1), sick(2, "new", reason="")],
    ):
        assert not any("allowed unavailable" in line for line in printed(rolling(1), pods))


def test_a_pod_that_is_not_there_has_its_place_among_the_others() -> None:
    lines = printed(parallel(1), [a_pod(2, "new"), a_pod(0, "new")])
    assert [line.split()[0] for line in lines[1:4]] == ["web-2", "web-1", "web-0"]


def test_of_many_unavailable_pods_five_are_named() -> None:
    status = parallel(4, replicas=9)
    pods = [*old(0, 1), *(sick(number, "new") for number in range(2, 9))]
    names = "web-2, web-3, web-4, web-5, web-6 and 2 more"
    assert f"  7 of 4 allowed unavailable: {names}" in printed(status, pods)
