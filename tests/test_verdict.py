"""How a set's objects are judged: what counts as stuck, from when on, and what only takes time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ledger.rollout.claims import Owner
from ledger.rollout.pods import PodState
from ledger.rollout.refusals import Refusal
from ledger.rollout.sets import SetStatus
from ledger.rollout.stale import StaleClaim
from ledger.rollout.verdict import Absences, Verdict, verdict
from tests.test_cases_rollouts import a_pod, a_set

AT = "2026-11-23T11:00:00.000000Z"
SOON = "2026-11-23T11:05:00.000000Z"
LATER = "2026-11-23T11:10:00.000000Z"
ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}


def judged(
    status: SetStatus,
    pods: Sequence[PodState],
    *,
    refusals: Sequence[Refusal] = (),
    since: str | None = AT,
    gone: dict[str, str] | None = None,
    stale: dict[int, StaleClaim] | None = None,
    now: str = SOON,
) -> Verdict:
    """The verdict, five minutes after the rollout began."""
    absences = Absences("web", list(refusals), since, gone or {}, stale or {})
    return verdict(status, list(pods), absences, now=now)


def unready(pod: PodState, reason: str = "", *, since: str | None = AT) -> PodState:
    """The pod, not ready since then."""
    return replace(pod, ready=False, reason=reason, ready_changed_at=since)


def new(*ordinals: int) -> list[PodState]:
    """Ready pods on the update revision."""
    return [a_pod(ordinal, "new") for ordinal in ordinals]


@pytest.mark.parametrize(
    "reason",
    [
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "RunContainerError",
    ],
)
def test_some_reasons_are_stuck_at_once(reason: str) -> None:
    told = judged(a_set(), [*new(0, 1), unready(a_pod(2, "new"), reason)], now=AT)
    assert (told.phase, told.due_at) == ("stalled", None)
    (blocker,) = told.blockers
    assert (blocker.pod, blocker.reason, blocker.since) == ("web-2", reason, AT)


@pytest.mark.parametrize("reason", ["", "ContainerCreating", "Unschedulable", "Pending"])
def test_others_are_given_ten_minutes(reason: str) -> None:
    pods = [*new(0, 1), unready(a_pod(2, "new"), reason)]
    assert judged(a_set(), pods).phase == "progressing"
    assert judged(a_set(), pods).due_at == LATER
    told = judged(a_set(), pods, now=LATER)
    assert (told.phase, told.blockers[0].reason) == ("stalled", reason or "NotReady")


def test_a_pod_that_is_missing_is_missed_from_the_spec_write_on() -> None:
    assert judged(a_set(), new(0, 1)).due_at == LATER
    told = judged(a_set(), new(0, 1), now=LATER)
    assert (told.phase, told.blockers[0].pod, told.blockers[0].reason) == (
        "stalled",
        "web-2",
        "Missing",
    )
    assert judged(a_set(), new(0, 1), since=None, now="2027").phase == "progressing"


def test_a_pod_between_its_end_and_its_return_is_missed_from_its_end_on() -> None:
    gone = {"web-0": "2026-11-23T13:00:00.000000Z"}
    told = judged(a_set(), new(1, 2), gone=gone, now="2026-11-23T13:00:01.000000Z")
    assert (told.phase, told.due_at) == ("progressing", "2026-11-23T13:10:00.000000Z")
    told = judged(a_set(), new(1, 2), gone=gone, now="2026-11-23T13:10:00.000000Z")
    assert (told.phase, told.blockers[0].since) == ("stalled", gone["web-0"])


def test_in_order_a_pod_is_missed_from_when_the_lower_ones_were_ready() -> None:
    late = [replace(pod, ready_changed_at="2026-11-23T11:09:00.000000Z") for pod in new(0, 1)]
    assert judged(a_set(), late, now=LATER).due_at == "2026-11-23T11:19:00.000000Z"
    parallel = a_set(podManagementPolicy="Parallel")
    assert judged(parallel, late, now=LATER).blockers[0].since == AT


def test_in_order_what_waits_for_a_lower_pod_is_not_missed_itself() -> None:
    slow = unready(a_pod(0, "new"), since="2026-11-23T11:09:00.000000Z")
    assert judged(a_set(), [slow], now=LATER).phase == "progressing"
    stuck = unready(a_pod(0, "new"), "ImagePullBackOff")
    assert [each.pod for each in judged(a_set(), [stuck], now=LATER).blockers] == ["web-0"]
    parallel = judged(a_set(podManagementPolicy="Parallel"), [stuck], now=LATER)
    assert [each.pod for each in parallel.blockers] == ["web-0", "web-1", "web-2"]


def test_without_any_pod_the_first_is_missed_by_its_name() -> None:
    (blocker,) = judged(a_set(), [], now=LATER).blockers
    assert (blocker.pod, blocker.reason) == ("web-0", "Missing")


def test_a_refusal_from_before_a_pod_that_was_there_since_is_past() -> None:
    refusal = Refusal("set", "web-2", "FailedCreate", "exceeded quota", 3, AT, AT)
    assert judged(a_set(), new(0, 1), refusals=[refusal], gone={"web-2": SOON}).phase == (
        "progressing"
    )
    same_second = {"web-2": "2026-11-23T11:00:00.700000Z"}
    assert judged(a_set(), new(0, 1), refusals=[refusal], gone=same_second).phase == "stalled"


def test_a_refused_pod_is_stuck_at_once_with_what_was_said() -> None:
    refusal = Refusal("set", "web-2", "FailedCreate", "exceeded quota", 3, AT, SOON)
    told = judged(a_set(), new(0, 1), refusals=[refusal])
    (blocker,) = told.blockers
    assert (told.phase, blocker.pod, blocker.message) == ("stalled", "web-2", "exceeded quota")
    assert judged(a_set(), new(0, 1, 2), refusals=[refusal]).phase == "complete"


def test_of_two_refusals_the_later_is_told() -> None:
    first = Refusal("set", "web-2", "FailedCreate", "first", 1, AT, AT)
    second = Refusal("set", "web-2", "FailedCreate", "second", 1, SOON, SOON)
    told = judged(a_set(), new(0, 1), refusals=[second, first])
    assert told.blockers[0].message == "second"


def test_a_pod_that_a_claim_keeps_from_being_made_is_missed_with_the_claim_as_the_reason() -> None:
    owner = Owner("Pod", "web-2", "dead", is_controller=True)
    stale = {2: StaleClaim("data-web-2", owner, (), is_terminating=True)}
    told = judged(a_set(), new(0, 1), stale=stale)
    assert (told.phase, told.due_at) == ("progressing", LATER)
    told = judged(a_set(), new(0, 1), stale=stale, now=LATER)
    (blocker,) = told.blockers
    assert (told.phase, blocker.pod, blocker.reason) == ("stalled", "web-2", "StaleClaim")
    assert (blocker.since, blocker.message) == (AT, stale[2].told)
    assert judged(a_set(), new(0, 1), stale=stale, since=None, now="2027").phase == "progressing"
    # The controller looks at the claim before it tries to make the pod.
    refusal = Refusal("set", "web-2", "FailedCreate", "exceeded quota", 3, AT, AT)
    told = judged(a_set(), new(0, 1), refusals=[refusal], stale=stale)
    assert told.phase == "progressing"
    # In order it is not the turn of a later one, whatever keeps it.
    slow = unready(a_pod(0, "new"), "ImagePullBackOff")
    told = judged(a_set(), [slow, *new(1)], stale=stale, now=LATER)
    assert [each.pod for each in told.blockers] == ["web-0"]


def test_ready_for_min_ready_seconds_is_settling_until_the_last_is_available() -> None:
    status = a_set(minReadySeconds=600)
    early, late = "2026-11-23T10:56:00.000000Z", "2026-11-23T10:58:00.000000Z"
    pods = [
        replace(pod, ready_changed_at=at)
        for pod, at in zip(new(0, 1, 2), (early, late, AT), strict=True)
    ]
    told = judged(status, pods)
    assert (told.phase, told.ready, told.available, told.due_at) == ("settling", 3, 0, LATER)
    assert judged(status, pods, now="2026-11-23T11:07:00.000000Z").available == 1
    told = judged(status, pods, now=LATER)
    assert (told.phase, told.available, told.due_at) == ("complete", 3, None)


def test_a_write_not_yet_observed_is_under_way() -> None:
    status = replace(a_set(), observed_generation=1)
    assert judged(status, new(0, 1, 2)).phase == "progressing"
    assert judged(replace(a_set(), terminating=True), new(0, 1, 2)).phase == "progressing"


def test_a_pod_that_goes_is_not_updated_and_not_ready() -> None:
    going = replace(a_pod(2, "new"), terminating_at=AT)
    told = judged(a_set(), [*new(0, 1), going])
    assert (told.phase, told.updated, told.ready) == ("progressing", 2, 2)
    assert judged(a_set(), [*new(0, 1), going], now=LATER).blockers[0].reason == "Terminating"


def test_of_two_pods_of_an_ordinal_the_younger_counts() -> None:
    old = replace(a_pod(2, "old"), uid="a", created_at="2026-11-23T10:00:00.000000Z")
    assert judged(a_set(), [*new(0, 1, 2), old]).phase == "complete"
    younger = replace(old, created_at="2026-11-23T12:00:00.000000Z")
    assert judged(a_set(), [*new(0, 1, 2), younger]).phase == "progressing"


def test_in_parallel_an_old_unready_pod_is_replaced_and_holds_up_nobody() -> None:
    bad = unready(a_pod(2, "given-up"), "ImagePullBackOff")
    parallel = a_set(podManagementPolicy="Parallel", updateStrategy=ROLLING)
    assert judged(parallel, [*new(0, 1), bad]).phase == "progressing"
    ordered = a_set(updateStrategy=ROLLING)
    assert judged(ordered, [*new(0, 1), bad]).phase == "stalled"


@pytest.mark.parametrize(
    "spec", [{"podManagementPolicy": "Parallel"}, {"updateStrategy": {"type": "OnDelete"}}]
)
def test_a_pod_that_does_not_go_is_in_the_way_whoever_replaces_it(spec: dict[str, object]) -> None:
    going = replace(a_pod(2, "old"), terminating_at=AT)
    assert judged(a_set(**spec), [*new(0, 1), going]).phase == "progressing"
    told = judged(a_set(**spec), [*new(0, 1), going], now=LATER)
    assert (told.phase, told.blockers[0].reason) == ("stalled", "Terminating")


def test_a_nodes_fast_clock_makes_nothing_settle() -> None:
    pods = [replace(pod, ready_changed_at=LATER) for pod in new(0, 1, 2)]
    told = judged(a_set(), pods, now=AT)
    assert (told.phase, told.available) == ("complete", 3)


def test_a_set_that_never_came_up_is_in_the_trap_once_its_template_is_mended() -> None:
    status = replace(a_set(updateStrategy=ROLLING), current_revision="bad")
    told = judged(status, [unready(a_pod(0, "bad"), "ImagePullBackOff")])
    assert [(each.pod, each.is_trap) for each in told.blockers] == [("web-0", True)]


def test_what_would_come_back_as_it_is_is_no_trap() -> None:
    """A bare type: RollingUpdate makes the lowest ordinals again on the current revision."""
    status = a_set(updateStrategy={"type": "RollingUpdate"})
    bad = unready(a_pod(0, "old"), "CrashLoopBackOff")
    told = judged(status, [bad, a_pod(1, "old"), a_pod(2, "new")])
    assert [each.is_trap for each in told.blockers] == [False]
    told = judged(status, [bad, a_pod(1, "new"), a_pod(2, "new")])
    assert [each.is_trap for each in told.blockers] == [True]
    shifted = replace(status, ordinals_start=3)
    crowd = [unready(a_pod(3, "old"), "CrashLoopBackOff"), a_pod(4, "old"), a_pod(5, "new")]
    assert [each.is_trap for each in judged(shifted, crowd).blockers] == [False]


def test_the_trap_is_told_before_other_troubles() -> None:
    status = replace(a_set(updateStrategy=ROLLING), current_revision="new")
    slow = unready(a_pod(0, "new"), since="2026-11-23T10:00:00.000000Z")
    bad = unready(a_pod(2, "given-up"), "ImagePullBackOff")
    told = judged(status, [slow, a_pod(1, "new"), bad])
    assert [(each.pod, each.is_trap) for each in told.blockers] == [
        ("web-2", True),
        ("web-0", False),
    ]


def test_counts_are_of_the_wanted_ordinals_only() -> None:
    told = judged(a_set(replicas=2), new(0, 1, 2))
    assert (told.wanted, told.updated, told.ready) == (2, 2, 2)
    assert judged(a_set(replicas=0), []).phase == "complete"
