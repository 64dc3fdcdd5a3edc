"""The course of a rollout, turn by turn: what counts as stuck on the way, and what does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from consumers.courses import Course, PodTurn, SetTurn, Span, Turn, course_of
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
