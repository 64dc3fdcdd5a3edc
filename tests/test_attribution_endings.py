"""Who deleted an object, rule by rule: one ending, and what the audit log may hold beside it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.attribution import authors_of_ending, is_follower
from ledger.evidence import Action, Ending, Evidence
from tests.test_attribution_writes import ALICE, UID, at

ENDING = Ending(uid=UID, version=200, created_at="2026-11-26T10:00:05Z", observed_at=at(10.02))
DELETES = replace(ALICE, verb="delete", generation=None, touched=())
TOO = replace(DELETES, position=2, user="bob")
EVICTS = replace(DELETES, verb="create", subresource="eviction", uid="", version=None, code=201)


def named(ending: Ending, *actions: Action) -> tuple[str, str] | None:
    """Whom the requests name, and on what basis."""
    found = authors_of_ending(ending, actions)
    assert len(found) <= 1
    return (found[0].actor, found[0].basis) if found else None


def untold(action: Action) -> Action:
    """The same request where the policy logs no bodies."""
    return replace(action, level="Metadata", version=None)


def test_the_deletion_that_answered_with_the_version_it_left_began_the_ending() -> None:
    proof = Evidence("audit", "alice", "carol", "exact", 1)
    assert authors_of_ending(ENDING, [replace(DELETES, impersonated="carol")]) == [proof]


def test_an_answer_without_a_version_says_the_uid() -> None:
    gone = replace(DELETES, version=None)
    assert named(ENDING, gone) == ("alice", "exact")
    assert named(replace(ENDING, version=None), DELETES) == ("alice", "exact")
    assert named(ENDING, replace(gone, uid="another")) is None


def test_a_collections_answer_holds_what_it_found() -> None:
    collection = replace(DELETES, verb="deletecollection", version=199)
    assert named(ENDING, collection) == ("alice", "exact")
    assert named(ENDING, replace(collection, version=200)) is None, "it was ending already"
    assert named(ENDING, replace(collection, version=None)) == ("alice", "exact")
    assert named(replace(ENDING, version=None), collection) == ("alice", "exact")


def test_who_deletes_at_once_leaves_a_later_version_and_is_probable() -> None:
    forced = replace(DELETES, version=203)
    assert named(ENDING, forced) == ("alice", "probable")
    assert named(ENDING, replace(TOO, version=203), DELETES) == ("alice", "exact")
    assert named(ENDING, replace(DELETES, version=199)) is None


def test_a_second_deletion_is_not_the_first() -> None:
    second = replace(TOO, received_at=at(10.011), completed_at=at(10.015))
    assert named(ENDING, second, DELETES) == ("alice", "exact")
    assert named(ENDING, DELETES, TOO) is None


def test_who_came_when_the_ending_was_seen_did_not_begin_it_even_alone() -> None:
    late = replace(TOO, received_at=at(10.0701), completed_at=at(10.08))
    assert named(ENDING, late) is None
    assert named(ENDING, replace(late, received_at=at(10.07))) == ("bob", "exact")


def test_where_no_state_of_the_ending_was_seen_only_a_request_at_that_time_began_it_for_sure() -> (
    None
):
    unseen = replace(ENDING, version=None)
    assert named(unseen, DELETES) == ("alice", "exact")
    assert named(replace(unseen, observed_at=at(20)), DELETES) == ("alice", "probable")


def test_a_kubelet_only_ends_what_somebody_else_has_deleted() -> None:
    assert named(ENDING, replace(DELETES, user="system:node:a")) is None


@pytest.mark.parametrize("verb", ["update", "patch", "create"])
def test_what_is_no_deletion_ends_nothing(verb: str) -> None:
    assert named(ENDING, replace(DELETES, verb=verb)) is None


def test_an_eviction_says_no_uid_and_is_probable() -> None:
    assert named(ENDING, EVICTS) == ("alice", "probable")
    assert named(ENDING, EVICTS, replace(EVICTS, position=2)) == ("alice", "probable")
    assert named(ENDING, EVICTS, TOO) is None


def test_an_eviction_is_of_the_pod_that_was_there_and_not_of_its_successor() -> None:
    successor = replace(ENDING, created_at="2026-11-26T10:00:10Z")
    assert named(successor, EVICTS) is None
    assert named(replace(ENDING, created_at="2026-11-26T10:00:09Z"), EVICTS) == (
        "alice",
        "probable",
    )


@pytest.mark.parametrize(
    ("received", "completed", "is_named"),
    [
        (10.02, 10.03, True),
        (10.020001, 10.03, False),
        (10.0, 9.97, True),
        (10.0, 9.969999, False),
    ],
)
def test_where_only_time_speaks_the_ending_must_be_seen_at_once(
    received: float, completed: float, is_named: bool
) -> None:
    timed = replace(EVICTS, received_at=at(received), completed_at=at(completed))
    assert named(ENDING, timed) == (("alice", "probable") if is_named else None)


def test_without_bodies_a_deletion_may_be_a_dry_run_and_proves_nothing() -> None:
    assert named(ENDING, untold(DELETES)) == ("alice", "probable")
    assert named(ENDING, replace(untold(DELETES), uid="another")) is None
    assert named(ENDING, untold(DELETES), untold(TOO)) is None
    # A dry run came first, and ends before the deletion begins: neither outruns the other.
    dry = replace(untold(TOO), received_at=at(9.98), completed_at=at(9.99))
    assert named(ENDING, dry, untold(DELETES)) is None


@pytest.mark.parametrize("level", ["", "None", "Metadata"])
def test_where_the_level_is_not_told_there_may_have_been_a_body(level: str) -> None:
    assert named(ENDING, replace(DELETES, level=level)) == ("alice", "probable")


def test_without_its_answer_a_deletion_is_known_by_name() -> None:
    assert named(ENDING, replace(DELETES, level="Request", uid="", version=None)) == (
        "alice",
        "probable",
    )


@pytest.mark.parametrize(
    ("user", "follows"),
    [
        ("system:kube-controller-manager", True),
        ("system:serviceaccount:kube-system:statefulset-controller", True),
        ("system:serviceaccount:kube-system:generic-garbage-collector", True),
        ("system:serviceaccount:kube-system:taint-eviction-controller", False),
        ("system:serviceaccount:kube-system:deployer", False),
        ("system:kube-scheduler", False),
        ("alice", False),
    ],
)
def test_who_deletes_because_of_somebody_else(user: str, follows: bool) -> None:
    assert is_follower(user) is follows
