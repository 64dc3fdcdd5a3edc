"""Which revision is meant, chosen among constructed histories."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.errors import LedgerError, NotRecorded, UsageError
from ledger.undo.candidates import Candidate, candidates
from ledger.undo.targets import (
    Now,
    Previous,
    To,
    ToLastGood,
    ToRevision,
    ToTime,
    Wish,
    choose,
)
from tests.cases import case

SET, EARLIER = "5e7a-now", "0ld0-then"
PREVIOUS = Previous()


def at(minute: int) -> str:
    return f"2026-11-26T10:{minute:02d}:00.000000Z"


def entry(number: int, template: str, **more: Any) -> Candidate:
    """Revision `number` with one of the templates, ready unless said otherwise."""
    made = Candidate(
        workload_uid=SET,
        revision_uid=f"r{template}",
        number=number,
        label=str(number),
        name=f"web-{template}",
        digest=template,
        observed_at=at(number),
        is_ready=True,
    )
    return replace(made, **more)


def chosen(found: list[Candidate], to: To = PREVIOUS, **more: Any) -> str:
    """The label that is chosen, where the newest entry runs."""
    newest = max(found, key=lambda each: each.number if each.workload_uid == SET else 0)
    now = Now(SET, newest.name, newest.name, at(59))
    wish = Wish(
        "shop", "web", to, more.pop("incarnation", ""), unsticks=more.pop("unsticks", False)
    )
    return choose(wish, found, replace(now, **more)).label


@case(4, stream="constructed")
def test_two_undos_in_a_row_toggle_between_two_templates() -> None:
    found = [entry(1, "A"), entry(2, "B")]
    assert chosen(found) == "1"
    assert chosen([*found, entry(3, "A")]) == "2"
    assert chosen([*found, entry(3, "A"), entry(4, "B")]) == "3"


def test_what_never_worked_is_passed_over_and_what_nobody_knows_is_not() -> None:
    bad = entry(2, "B", is_ready=False)
    assert chosen([entry(1, "A"), bad, entry(3, "C")]) == "1"
    assert chosen([entry(1, "A", is_ready=None), bad, entry(3, "C")]) == "1"
    with pytest.raises(LedgerError, match="no last revision to roll back to"):
        chosen([bad, entry(3, "C")])


@case(7, stream="constructed")
def test_an_undo_that_the_controller_has_not_seen_yet_is_not_undone_again() -> None:
    found = [entry(1, "A"), entry(2, "B")]
    assert chosen(found, update_revision="web-B", template_revision="web-A") == "1"


def test_a_template_that_has_no_revision_yet_has_the_newest_before_it() -> None:
    assert chosen([entry(1, "A"), entry(2, "B")], template_revision=None) == "2"


def test_a_revision_that_was_just_made_is_the_current_one_before_the_status_says_so() -> None:
    found = [entry(1, "A"), entry(2, "B")]
    assert chosen(found, update_revision="web-A", template_revision="web-B") == "1"


@case(5, stream="constructed")
def test_any_number_there_ever_was_has_a_meaning() -> None:
    found = [entry(1, "A"), entry(2, "B"), entry(3, "A")]
    assert chosen(found, ToRevision("1")) == "1"
    with pytest.raises(NotRecorded, match="unable to find specified revision 9 in history"):
        chosen(found, ToRevision("9"))


@case(10, stream="constructed")
def test_a_number_that_was_used_twice_has_to_be_told_apart() -> None:
    twice = [entry(1, "A"), entry(2, "B", label="2~aaaa"), entry(2, "C", label="2~bbbb")]
    found = [*twice, entry(3, "D")]
    with pytest.raises(UsageError, match="was used 2 times"):
        chosen(found, ToRevision("2"))
    assert chosen(found, ToRevision("2~aaaa")) == "2~aaaa"


@case(24, stream="constructed")
def test_an_earlier_set_of_the_name_is_asked_for_by_its_uid() -> None:
    old = entry(7, "F", workload_uid=EARLIER, deleted_at=at(10))
    found = [old, entry(1, "A", observed_at=at(20)), entry(2, "B", observed_at=at(21))]
    assert chosen(found, ToRevision("7"), incarnation="0ld") == "7"
    with pytest.raises(NotRecorded) as elsewhere:
        chosen(found, ToRevision("7"))
    assert elsewhere.value.hint.endswith("--incarnation 0ld0-the")
    with pytest.raises(UsageError, match="0 StatefulSets"):
        chosen(found, ToRevision("7"), incarnation="none")
    with pytest.raises(UsageError, match="has no previous revision"):
        chosen(found, incarnation="0ld")


@pytest.mark.parametrize(("minute", "label"), [(7, "7"), (9, "7"), (20, "1"), (21, "2"), (50, "2")])
def test_at_a_time_it_was_whatever_was_newest_then(minute: int, label: str) -> None:
    old = entry(7, "F", workload_uid=EARLIER, deleted_at=at(10))
    found = [old, entry(1, "A", observed_at=at(20)), entry(2, "B", observed_at=at(21))]
    assert chosen(found, ToTime(at(minute))) == label
    for gone in (6, 15):
        with pytest.raises(NotRecorded, match="is not known to have been there"):
            chosen(found, ToTime(at(gone)))


def test_of_two_pages_of_one_list_the_higher_number_was_the_newer() -> None:
    found = [entry(1, "A"), entry(2, "B", observed_at="2026-11-26T10:10:00.000002Z")]
    found.append(entry(3, "C", observed_at="2026-11-26T10:10:00.000001Z"))
    assert chosen(found, ToTime(at(30))) == "3"
    # A number that was given again is the newer one once the higher is gone.
    found[2] = replace(found[2], pruned_at=at(9))
    assert chosen(found, ToTime(at(30))) == "2"


def test_at_a_time_only_the_incarnation_that_was_named_is_asked_for() -> None:
    old = entry(7, "F", workload_uid=EARLIER, observed_at=at(5), deleted_at=at(40))
    found = [old, entry(1, "A", observed_at=at(20)), entry(2, "B", observed_at=at(21))]
    assert chosen(found, ToTime(at(30)), incarnation="0ld") == "7"


def test_what_ran_is_not_known_where_the_cluster_has_a_revision_that_is_not_recorded() -> None:
    raw = {"metadata": {"creationTimestamp": "2026-11-26T10:10:00Z"}, "revision": 3}
    live = replace(entry(3, "C", observed_at=None), digest=None, raw_revision=raw)
    found = [entry(1, "A"), entry(2, "B"), live]
    with pytest.raises(NotRecorded, match=r"revision 3 of .* is not recorded"):
        chosen(found, ToTime(at(50)))
    assert chosen(found, ToTime(at(9))) == "2"


@pytest.mark.parametrize(
    ("second", "label"),
    [
        ({"finished_at": at(3), "superseded_at": at(50)}, "2"),
        ({"finished_at": at(3), "superseded_at": at(4)}, "2"),
        ({"finished_at": at(3), "superseded_at": at(50), "broke_at": at(30)}, "2"),
        ({"finished_at": at(3), "superseded_at": at(50), "broke_at": at(8)}, "1"),
        ({"finished_at": at(3), "superseded_at": at(6), "broke_at": at(5)}, "1"),
        ({"finished_at": None, "superseded_at": at(50)}, "1"),
    ],
)
def test_good_is_what_was_complete_and_stayed_so(second: dict[str, Any], label: str) -> None:
    first = entry(1, "A", finished_at=at(1), superseded_at=at(2))
    found = [first, entry(2, "B", **second), entry(3, "C", finished_at=at(55))]
    assert chosen(found, ToLastGood(600.0)) == label


def test_nothing_good_is_said() -> None:
    with pytest.raises(NotRecorded, match="stayed healthy for 600s"):
        chosen([entry(1, "A")], ToLastGood(600.0))


@case(47, stream="constructed")
def test_a_set_that_was_set_back_and_waits_for_a_pod_is_not_set_back_any_further() -> None:
    found = [entry(1, "A"), entry(2, "B"), entry(3, "C", is_ready=False), entry(4, "B")]
    stuck: dict[str, Any] = {"stuck_on": ("web-C",)}
    assert chosen(found, unsticks=True, **stuck) == "4"
    assert chosen(found, unsticks=False, **stuck) == "1"
    # A mended template that waits for the pod of the broken one is not what was wished back.
    mended = [*found[:3], entry(4, "D", is_ready=False)]
    assert chosen(mended, unsticks=True, **stuck) == "2"


def test_a_set_that_never_came_up_has_only_its_pod_to_lose() -> None:
    found = [entry(1, "A", is_ready=False), entry(2, "B", is_ready=False)]
    assert chosen(found, unsticks=True, stuck_on=("web-A",)) == "2"


def test_live_revisions_and_recorded_ones_are_one_list() -> None:
    row = {
        "workload_uid": SET,
        "revision_uid": "rA",
        "number": 1,
        "label": "1",
        "name": "web-A",
        "trigger": "create",
        "template_digest": "A",
        "generation": 1,
        "observed_at": at(1),
        "phase": "complete",
        "ready_at": None,
        "finished_at": None,
        "broke_at": None,
        "pruned_at": None,
        "deleted_at": None,
    }
    unseen = row | {"revision_uid": "", "number": 2, "template_digest": None}
    raw = [
        {"metadata": {"uid": "rA", "name": "web-A"}, "revision": 3},
        {"metadata": {"uid": "rB", "name": "web-B"}, "revision": 4},
    ]
    found = candidates([row, unseen], raw, uid=SET, ready=["web-B"])
    told = [(e.label, e.is_recorded, e.is_ready, e.raw_revision) for e in found]
    assert told == [
        ("1", True, False, raw[0]),
        ("3", False, None, raw[0]),
        ("4", False, True, raw[1]),
    ]
