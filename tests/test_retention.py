"""What would become of claims: every reason to keep one and to delete one, and of its volume."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.rollout.claims import Owner
from ledger.rollout.retention import Holding, SetWish, if_deleted, if_scaled

SET = Owner("StatefulSet", "web", "set", is_controller=True)
POD = Owner("Pod", "web-4", "pod", is_controller=True)
STALE_SET = Owner("StatefulSet", "web", "earlier", is_controller=True)
STALE_POD = Owner("Pod", "web-4", "earlier-pod", is_controller=True)
OPERATOR = Owner("Database", "main", "operator", is_controller=True)
FRIEND = Owner("ConfigMap", "notes", "friend", is_controller=False)
KEEPS = SetWish("set", "web", "Retain", "Retain", range(3, 5))
DELETES = SetWish("set", "web", "Delete", "Delete", range(3, 5))
CLAIM = Holding(
    name="data-web-4",
    ordinal=4,
    owners=(),
    finalizers=("kubernetes.io/pvc-protection",),
    is_terminating=False,
    pod="web-4",
    pod_uid="pod",
    volume="pv-1",
    reclaim_policy="Delete",
)


def holding(**fields: Any) -> Holding:
    """The claim, otherwise."""
    return replace(CLAIM, **fields)


@pytest.mark.parametrize(
    ("wish", "claim", "outcome", "why"),
    [
        (KEEPS, CLAIM, "KEPT", "whenDeleted is Retain"),
        (
            DELETES,
            CLAIM,
            "KEPT",
            "whenDeleted is Delete, but the claim has no owner reference to the set",
        ),
        (DELETES, holding(owners=(SET,)), "DELETED", "whenDeleted is Delete"),
        (
            KEEPS,
            holding(owners=(SET,)),
            "DELETED",
            "whenDeleted is Retain now, but the set still owns the claim",
        ),
        (KEEPS, holding(owners=(POD,)), "DELETED", "owned by its pod"),
        (DELETES, holding(owners=(SET, FRIEND)), "KEPT", "also owned by ConfigMap notes"),
        (
            DELETES,
            holding(owners=(FRIEND, OPERATOR)),
            "KEPT",
            "also owned by ConfigMap notes and Database main",
        ),
        (
            KEEPS,
            holding(owners=(STALE_POD,)),
            "DELETED",
            "its owner Pod web-4 is gone already",
        ),
        (
            DELETES,
            holding(owners=(SET,), finalizers=("a/b", "c/d", "kubernetes.io/pvc-protection")),
            "DELETED",
            "whenDeleted is Delete, once finalizer a/b and c/d is taken off",
        ),
        (
            KEEPS,
            holding(is_terminating=True),
            "DELETED",
            "terminating already, gone once web-4 lets go",
        ),
        (KEEPS, holding(is_terminating=True, pod=""), "DELETED", "terminating already"),
    ],
)
def test_deleting_the_set_goes_by_owners(
    wish: SetWish, claim: Holding, outcome: str, why: str
) -> None:
    (told,) = if_deleted(wish, [claim], gone=frozenset({"earlier-pod"}))
    assert (told.outcome, told.why) == (outcome, why)


@pytest.mark.parametrize(
    ("wish", "claim", "outcome", "why"),
    [
        (KEEPS, CLAIM, "KEPT", "whenScaled is Retain"),
        (replace(KEEPS, when_scaled=""), CLAIM, "KEPT", "whenScaled is Retain"),
        (
            replace(KEEPS, when_scaled="Shred"),
            CLAIM,
            "KEPT",
            "whenScaled is Shred, which counts as Retain",
        ),
        (DELETES, CLAIM, "DELETED", "whenScaled is Delete"),
        (DELETES, holding(owners=(SET,)), "DELETED", "whenScaled is Delete"),
        (DELETES, holding(owners=(POD,)), "DELETED", "whenScaled is Delete"),
        (DELETES, holding(ordinal=3), "KEPT", "web-3 stays"),
        (
            DELETES,
            holding(pod_uid=""),
            "KEPT",
            "web-4 does not exist: nobody would touch it",
        ),
        (
            DELETES,
            holding(ordinal=7, pod_uid=""),
            "KEPT",
            "left behind already: only the claims of pods that go are touched",
        ),
        (
            DELETES,
            holding(owners=(STALE_SET,)),
            "KEPT",
            "the controller leaves alone what StatefulSet web of another uid owns",
        ),
        (
            DELETES,
            holding(owners=(replace(STALE_POD, uid="other"),)),
            "KEPT",
            "the controller leaves alone what Pod web-4 of another uid owns",
        ),
        (
            DELETES,
            holding(owners=(OPERATOR,)),
            "KEPT",
            "Database main controls it, so the policy is ignored",
        ),
        (DELETES, holding(owners=(SET, FRIEND)), "KEPT", "also owned by ConfigMap notes"),
        (
            DELETES,
            holding(owners=(STALE_POD,)),
            "DELETED",
            "its owner Pod web-4 is gone already",
        ),
        (
            DELETES,
            holding(is_terminating=True),
            "DELETED",
            "terminating already, gone once web-4 lets go",
        ),
    ],
)
def test_scaling_goes_by_the_policy_and_spares_what_others_own(
    wish: SetWish, claim: Holding, outcome: str, why: str
) -> None:
    (told,) = if_scaled(wish, [claim], 1, gone=frozenset({"earlier-pod"}))
    assert (told.outcome, told.why) == (outcome, why)


def test_scaling_up_uses_a_claim_again() -> None:
    left = holding(name="data-web-5", ordinal=5, pod="", pod_uid="")
    (told,) = if_scaled(DELETES, [left], 3, gone=frozenset())
    assert (told.outcome, told.why) == ("KEPT", "used again by web-5")


@pytest.mark.parametrize(
    ("volume", "policy", "told"),
    [
        ("pv-1", "Delete", "deleted with its data"),
        ("pv-1", "Retain", "kept, Released: a new claim gets another volume"),
        ("pv-1", "Recycle", "emptied and offered again"),
        ("pv-1", "", "unknown: its reclaim policy was not recorded"),
        ("", "", ""),
    ],
)
def test_a_volume_follows_its_own_policy(volume: str, policy: str, told: str) -> None:
    gone = holding(owners=(SET,), volume=volume, reclaim_policy=policy)
    kept = holding(volume=volume, reclaim_policy=policy)
    (one,) = if_deleted(DELETES, [gone], gone=frozenset())
    (other,) = if_deleted(KEEPS, [kept], gone=frozenset())
    assert (one.volume, one.volume_outcome) == (volume, told)
    assert (other.outcome, other.volume_outcome) == ("KEPT", "kept" if volume else "")


def test_claims_are_told_by_ordinal_and_name() -> None:
    held = [
        holding(name=name, ordinal=ordinal)
        for name, ordinal in (("b-web-4", 4), ("a-web-4", 4), ("z-web-3", 3))
    ]
    wanted = [("z-web-3", 3), ("a-web-4", 4), ("b-web-4", 4)]
    for told in (
        if_deleted(KEEPS, held, gone=frozenset()),
        if_scaled(KEEPS, held, 2, gone=frozenset()),
    ):
        assert [(each.claim, each.ordinal) for each in told] == wanted
