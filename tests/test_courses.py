"""The course of a rollout, turn by turn: what counts as stuck on the way, and what does not."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from consumers.courses import Course, PodTurn, SetTurn, Span, Turn, course_of
from ledger.model import parse_timestamp, timestamp
from ledger.rollout.pods import PodState
from ledger.rollout.verdict import Absences, verdict
from tests.test_cases_rollouts import a_pod, a_set

BEGAN = "2026-11-23T11:00:00.000000Z"


def at(minute: int, second: int = 0) -> str:
    """So long after the rollout began."""
    return f"2026-11-23T{11 + minute // 60}:{minute % 60:02}:{second:02}.000000Z"


def course(turns: list[Turn], *, now: str, until: str | None = None) -> Course:
    """The course of the rollout to `new`."""
    return course_of(Span("set", "web", "new", BEGAN, until, now), turns)


def replaced(ordinal: int, minute: int) -> Iterator[Turn]:
    """A pod that goes, is away for a second, and comes back on the new revision."""
    old = a_pod(ordinal, "old")
    fresh = replace(a_pod(ordinal, "new"), uid=f"new-{ordinal}", created_at=at(minute, 2))
    starting = replace(fresh, ready=False, ready_changed_at=at(minute, 2))
    yield PodTurn(at(minute), 1, old.uid, replace(old, terminating_at=at(minute)))
    yield PodTurn(at(minute, 1), 2, old.uid, None)
    yield PodTurn(at(minute, 2), 3, fresh.uid, starting)
    yield PodTurn(at(minute, 9), 4, fresh.uid, replace(fresh, ready_changed_at=at(minute, 9)))


def slowly() -> list[Turn]:
    """Three pods, one every twenty minutes."""
    turns: list[Turn] = [SetTurn(BEGAN, 1, a_set(), settled=False)]
    turns += [PodTurn(BEGAN, 1, f"pod-{n}", a_pod(n, "old")) for n in range(3)]
    return turns + [turn for n in (2, 1, 0) for turn in replaced(n, 20 * (3 - n))]


def test_a_long_rollout_whose_pods_come_back_in_a_second_was_never_stuck() -> None:
    told = course(slowly(), now=at(120))
    assert (told.phase, told.finished_at, told.stalled_at) == ("complete", at(60, 9), None)


def test_a_pod_that_does_not_come_back_is_missed_ten_minutes_after_its_end() -> None:
    turns = [turn for turn in slowly() if turn.at < at(40, 2)]
    told = course(turns, now=at(45))
    assert (told.phase, told.stalled_at) == ("progressing", None)
    told = course(turns, now=at(120))
    assert (told.phase, told.stalled_at) == ("stalled", at(50, 1))
    assert told.blocker is not None
    assert (told.blocker.pod, told.blocker.reason) == ("web-1", "Missing")


def test_a_scale_up_in_a_long_rollout_is_no_missing_pod_yet() -> None:
    turns = [turn for turn in slowly() if turn.at < at(60)]
    larger = replace(a_set(replicas=4), generation=3, observed_generation=3)
    turns.append(SetTurn(at(55), 9, larger, settled=False))
    told = course(turns, now=at(56))
    assert (told.phase, told.stalled_at) == ("progressing", None)
    assert course(turns, now=at(120)).stalled_at == at(65)


def test_the_end_of_a_pod_seen_after_its_successor_ends_nothing() -> None:
    turns = [replace(turn, at=at(20, 20)) if _is_end(turn) else turn for turn in slowly()]
    assert course(turns, now=at(120)).phase == "complete"


def _is_end(turn: Turn) -> bool:
    return isinstance(turn, PodTurn) and turn.state is None and turn.uid == "pod-2"


def plainly(turns: list[Turn], *, now: str) -> tuple[str, str | None, str | None]:
    """The same by judging at every turn, and whenever time alone changes something."""
    pods: dict[str, PodState] = {}
    gone: dict[str, str] = {}
    status, written_at, stalled_at = None, BEGAN, None
    told = None
    moments = sorted({turn.at for turn in turns} | {now})
    while moments:
        moment = moments.pop(0)
        for turn in (each for each in turns if each.at == moment):
            match turn:
                case SetTurn():
                    is_write = status is None or status.generation != turn.status.generation
                    written_at = turn.at if is_write else written_at
                    status = turn.status
                case PodTurn(state=None):
                    name = next((name for name, pod in pods.items() if pod.uid == turn.uid), "")
                    gone |= {name: turn.at} if pods.pop(name, None) else {}
                case PodTurn(state=pod) if pod is not None:
                    pods[pod.name] = pod
        assert status is not None
        absences = Absences("web", (), written_at, gone)
        told = verdict(status, list(pods.values()), absences, now=moment)
        if told.phase == "stalled":
            stalled_at = stalled_at or moment
        if told.phase == "complete":
            return "complete", moment, stalled_at
        following = moments[0] if moments else ""
        if told.due_at is not None and moment < told.due_at < following:
            moments.insert(0, told.due_at)
    assert told is not None
    return told.phase, None, stalled_at


def at_random(dice: random.Random) -> list[Turn]:
    """Pods that come, go, fail and get well at random, of a set whose spec changes meanwhile."""
    policy = dice.choice(("OrderedReady", "Parallel"))
    strategy = dice.choice(("RollingUpdate", "OnDelete"))
    replicas, generation = dice.randrange(1, 6), 2
    turns: list[Turn] = []
    living: dict[int, PodState] = {}

    def a_write(moment: str) -> SetTurn:
        update: dict[str, Any] = {"type": strategy}
        if strategy == "RollingUpdate":
            update["rollingUpdate"] = {"partition": dice.choice((0, 0, 0, 1, 2, 7))}
            if dice.random() < 0.7:
                update["rollingUpdate"] |= {"maxUnavailable": dice.choice((1, 2, "60%"))}
        wait = dice.choice((0, 0, 30))
        status = a_set(
            replicas=replicas,
            podManagementPolicy=policy,
            updateStrategy=update,
            minReadySeconds=wait,
        )
        status = replace(status, generation=generation, observed_generation=generation)
        return SetTurn(moment, len(turns), status, settled=False)

    turns.append(a_write(BEGAN))
    for number in range(replicas):
        living[number] = a_pod(number, "old")
        turns.append(PodTurn(BEGAN, len(turns), living[number].uid, living[number]))
    minute = 0
    for count in range(dice.randrange(5, 60)):
        minute += dice.choice((0, 0, 1, 4, 12))
        moment, number = at(minute, count % 60), dice.randrange(replicas)
        pod = living.get(number)
        if dice.random() < 0.08:
            replicas, generation = dice.randrange(1, 6), generation + 1
            turns.append(a_write(moment))
        elif pod is None:
            made = replace(
                a_pod(number, dice.choice(("old", "new", "new", "new"))),
                uid=f"pod-{number}-{count}",
                created_at=moment,
                ready_changed_at=moment,
                ready=False,
            )
            living[number] = made
            turns.append(PodTurn(moment, len(turns), made.uid, made))
        elif dice.random() < 0.35:
            turns.append(PodTurn(moment, len(turns), pod.uid, None))
            del living[number]
        else:
            reason = dice.choice(("", "", "", "ImagePullBackOff", "Unschedulable"))
            living[number] = replace(
                pod,
                ready=not reason and dice.random() < 0.8,
                reason=reason,
                ready_changed_at=moment,
                terminating_at=moment if dice.random() < 0.1 else None,
            )
            turns.append(PodTurn(moment, len(turns), pod.uid, living[number]))
    return sorted(turns, key=lambda turn: turn.at)


def test_judging_only_where_something_may_have_become_of_it_says_the_same() -> None:
    phases = Counter[str]()
    for seed in range(1_000):
        turns = at_random(random.Random(seed))
        end = max(turn.at for turn in turns)
        now = timestamp(parse_timestamp(end) + timedelta(minutes=seed % 40))
        told = course(turns, now=now)
        assert (told.phase, told.finished_at, told.stalled_at) == plainly(turns, now=now), seed
        phases[told.phase] += 1
    assert min(phases[name] for name in ("complete", "stalled", "progressing", "staged")) > 10
