"""Which claim keeps a missing pod from being made, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ledger.rollout.claims import Owner
from ledger.rollout.sets import SetStatus
from ledger.rollout.stale import HeldClaim, StaleClaim, stale_claims
from tests.test_cases_rollouts import a_set

EARLIER = Owner("Pod", "web-2", "dead", is_controller=True)
DELETING = {"whenDeleted": "Retain", "whenScaled": "Delete"}
PROTECTED = ("kubernetes.io/pvc-protection",)


def a_status(**policy: str) -> SetStatus:
    """A set of three that keeps no claims of pods that are scaled away, unless said otherwise."""
    return a_set(persistentVolumeClaimRetentionPolicy=DELETING | policy)


def held(*owners: Owner, finalizers: Sequence[str] = (), is_terminating: bool = True) -> HeldClaim:
    """A claim with these owners."""
    return HeldClaim(tuple(owners), (*PROTECTED, *finalizers), is_terminating)


def found(
    claim: HeldClaim, *, status: SetStatus | None = None, name: str = "data-web-2"
) -> dict[int, StaleClaim]:
    """What keeps the third pod, which is missing, from being made."""
    return stale_claims(status or a_status(), "web", ["data"], {name: claim}, [2])


def test_an_owner_of_the_pods_name_is_an_earlier_one_and_keeps_it_from_being_made() -> None:
    assert found(held(EARLIER)) == {2: StaleClaim("data-web-2", EARLIER, (), is_terminating=True)}
    beside = Owner("ConfigMap", "notes", "c", is_controller=False)
    assert found(held(beside, EARLIER))[2].owner == EARLIER


@pytest.mark.parametrize(
    "owner",
    [
        Owner("Pod", "web-1", "other", is_controller=True),
        Owner("StatefulSet", "web", "earlier", is_controller=True),
        Owner("StatefulSet", "web-2", "odd", is_controller=True),
    ],
)
def test_no_other_owner_does(owner: Owner) -> None:
    assert found(held(owner)) == {}
    assert found(held()) == {}


@pytest.mark.parametrize("policy", ["Retain", ""])
def test_where_claims_are_retained_nothing_is_waited_for(policy: str) -> None:
    assert found(held(EARLIER), status=a_status(whenScaled=policy)) == {}


def test_a_policy_that_is_not_known_is_not_retain() -> None:
    assert 2 in found(held(EARLIER), status=a_status(whenScaled="Shred"))


def test_only_claims_of_the_sets_own_templates_and_missing_ordinals_count() -> None:
    for name in ("logs-web-2", "data-web-02", "data-other-2", "data-web-1"):
        assert found(held(EARLIER), name=name) == {}


def test_of_two_claims_the_first_templates_is_told() -> None:
    claims = {"data-web-2": held(EARLIER), "logs-web-2": held(EARLIER)}
    told = stale_claims(a_status(), "web", ["data", "logs"], claims, [2])
    assert told[2].claim == "data-web-2"
    claims["data-web-2"] = held()
    told = stale_claims(a_status(), "web", ["data", "logs"], claims, [2])
    assert told[2].claim == "logs-web-2"


@pytest.mark.parametrize(
    ("claim", "ending"),
    [
        (held(EARLIER), "is gone"),
        (
            held(EARLIER, finalizers=("a/b", "c/d")),
            "is gone, which finalizer a/b and c/d holds",
        ),
        (held(EARLIER, is_terminating=False), "or that owner reference is gone"),
        (
            held(EARLIER, finalizers=("a/b",), is_terminating=False),
            "or that owner reference is gone",
        ),
    ],
)
def test_the_sentence_names_claim_and_owner_and_what_must_end(
    claim: HeldClaim, ending: str
) -> None:
    assert found(claim)[2].told == (
        "claim data-web-2 is owned by an earlier Pod web-2 (uid dead): "
        f"no pod is made until the claim {ending}"
    )
