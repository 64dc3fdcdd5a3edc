"""The course of a rollout, turn by turn: what the present would be said to be, remembered."""

from __future__ import annotations

from dataclasses import replace

from consumers.courses import Course, PodTurn, RefusalTurn, SetTurn, Span, Turn, course_of
from ledger.rollout.pods import PodState
from ledger.rollout.refusals import Refusal
from tests.test_cases_rollouts import a_pod, a_set


def at(minute: int) -> str:
    return f"2026-11-23T11:{minute:02}:00.000000Z"


SPAN = Span("set", "web", "new", at(1), None, at(50))


def turn(minute: int, pod: PodState | None, ordinal: int = 0) -> PodTurn:
    return PodTurn(at(minute), minute, f"pod-{ordinal}", pod)


def the_set(minute: int, *, settled: bool = False, revision: str = "new") -> SetTurn:
    """A set of one pod, seen on that revision."""
    status = replace(a_set(replicas=1), update_revision=revision)
    return SetTurn(at(minute), minute, status, settled)


def outline(course: Course) -> tuple[str, str | None, str | None, str | None]:
    blocker = course.blocker.reason if course.blocker else None
    return course.phase, course.stalled_at, blocker, course.finished_at


def test_a_rollout_is_complete_at_the_turn_that_shows_it() -> None:
    turns: list[Turn] = [
        turn(3, a_pod(0, "new")),
        the_set(1),
        turn(2, a_pod(0, "old")),
        turn(9, None),
    ]
    course = course_of(SPAN, turns)
    assert outline(course) == ("complete", None, None, at(3))
    assert course.verdict is not None
    assert (course.verdict.phase, course.verdict.updated) == ("complete", 1)


def test_what_happened_before_the_write_is_known_and_not_judged() -> None:
    turns: list[Turn] = [the_set(0, settled=True), turn(0, a_pod(0, "new"))]
    assert outline(course_of(SPAN, turns)) == ("complete", None, None, at(50))
    assert outline(course_of(replace(SPAN, since=at(0)), turns))[3] == at(0)
    assert outline(course_of(replace(SPAN, since=None), turns))[3] == at(0)


def test_a_stall_is_remembered_with_its_blocker_though_it_was_healed() -> None:
    stuck = a_pod(0, "new", ready=False, reason="ErrImagePull")
    worse = a_pod(0, "new", ready=False, reason="CrashLoopBackOff")
    turns: list[Turn] = [the_set(1), turn(2, stuck), turn(3, worse), turn(4, a_pod(0, "new"))]
    assert outline(course_of(SPAN, turns)) == ("complete", at(2), "CrashLoopBackOff", at(4))
    assert outline(course_of(SPAN, turns[:3])) == ("stalled", at(2), "CrashLoopBackOff", None)


def test_patience_ends_by_itself_between_two_turns_or_after_the_last() -> None:
    slow = replace(a_pod(0, "new", ready=False), ready_changed_at=at(2))
    turns: list[Turn] = [the_set(1), turn(2, slow)]
    assert outline(course_of(SPAN, turns)) == ("stalled", at(12), "NotReady", None)
    assert outline(course_of(replace(SPAN, now=at(11)), turns))[0] == "progressing"
    healed: list[Turn] = [*turns, turn(20, a_pod(0, "new"))]
    assert outline(course_of(SPAN, healed)) == ("complete", at(12), "NotReady", at(20))
    in_time: list[Turn] = [*turns, turn(11, a_pod(0, "new"))]
    assert outline(course_of(SPAN, in_time)) == ("complete", None, None, at(11))


def test_what_comes_after_the_next_write_is_the_next_rollouts() -> None:
    turns: list[Turn] = [the_set(1), turn(2, a_pod(0, "old")), turn(9, a_pod(0, "new"))]
    assert outline(course_of(replace(SPAN, until=at(9)), turns))[0] == "progressing"
    assert outline(course_of(replace(SPAN, until=at(10)), turns)) == ("complete", None, None, at(9))


def test_a_set_not_yet_seen_on_it_is_not_judged() -> None:
    turns: list[Turn] = [the_set(1, revision="old"), turn(2, a_pod(0, "new"))]
    assert course_of(SPAN, turns) == Course("progressing")
    assert course_of(SPAN, []) == Course("progressing")
    assert course_of(SPAN, [the_set(1)]) == Course("progressing")


def test_the_controllers_own_count_decides_where_no_pods_are_seen() -> None:
    turns: list[Turn] = [the_set(1), the_set(4, settled=True), the_set(5, settled=True)]
    assert outline(course_of(SPAN, turns)) == ("complete", None, None, at(4))
    assert course_of(SPAN, [the_set(1), the_set(4, settled=True, revision="old")]).phase == (
        "progressing"
    )


def test_a_count_is_believed_over_pods_only_if_each_had_been_ready_on_it() -> None:
    bad = a_pod(0, "new", ready=False, reason="ErrImagePull")
    span = replace(SPAN, until=at(20))
    was_ready: list[Turn] = [
        turn(1, a_pod(0, "new")),
        turn(2, bad),
        the_set(2),
        the_set(3, settled=True),
    ]
    assert outline(course_of(span, was_ready)) == ("complete", at(2), "ErrImagePull", at(3))
    assert course_of(span, was_ready).verdict is not None
    assert outline(course_of(span, was_ready[1:])) == ("stalled", at(2), "ErrImagePull", None)


def test_a_pod_of_another_set_is_nobodys() -> None:
    other = replace(a_pod(0, "new"), owner_uid="another")
    assert course_of(SPAN, [the_set(1), turn(2, other)]) == Course("progressing")
    handed: list[Turn] = [the_set(1), turn(2, a_pod(0, "old")), turn(3, other)]
    assert outline(course_of(SPAN, handed)) == ("stalled", at(13), "Missing", None)


def test_of_two_pods_of_a_name_the_later_is_there() -> None:
    twin = PodTurn(at(3), 3, "pod-0b", replace(a_pod(0, "new"), uid="pod-0b"))
    turns: list[Turn] = [the_set(1), turn(2, a_pod(0, "old")), twin]
    assert outline(course_of(SPAN, turns)) == ("complete", None, None, at(3))


def test_a_refusal_holds_until_the_pod_is_made() -> None:
    refused = RefusalTurn(at(4), 4, Refusal("set", "web-0", "FailedCreate", "no", 1, at(4), at(4)))
    turns: list[Turn] = [the_set(1), turn(2, a_pod(0, "old")), turn(3, None), refused]
    assert outline(course_of(SPAN, turns)) == ("stalled", at(4), "FailedCreate", None)
    made = turn(5, replace(a_pod(0, "new"), created_at=at(5)))
    assert outline(course_of(SPAN, [*turns, made])) == ("complete", at(4), "FailedCreate", at(5))
    gone = turn(6, None)
    unready = turn(5, replace(a_pod(0, "new", ready=False), created_at=at(5)))
    again = course_of(SPAN, [*turns, unready, gone])
    assert again.verdict is not None
    assert [each.reason for each in again.verdict.blockers] == ["Missing"]
