"""What would become of a StatefulSet's claims if it were deleted or scaled; pure.

Deletion goes by owner references alone: the garbage collector deletes a claim when every owner it
names is gone (garbagecollector.go, attemptToDeleteItem). The retention policy matters where the
controller still has time to write them: to the claims of pods that a scale-down takes
(stateful_set_utils.go, updateClaimOwnerRefForSetAndPod; KEP-1847).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ledger.rollout.claims import Owner

Outcome = Literal["KEPT", "DELETED"]
DELETE, RETAIN, RECYCLE = "Delete", "Retain", "Recycle"
PROTECTION = "kubernetes.io/pvc-protection"
"""The finalizer every claim has: it only waits for the pods that use it."""


@dataclass(frozen=True, slots=True)
class SetWish:
    """As much of a StatefulSet as decides over its claims."""

    uid: str
    name: str
    when_deleted: str
    when_scaled: str
    ordinals: range

    def scaled(self, replicas: int) -> range:
        """Its ordinals with another number of replicas."""
        return range(self.ordinals.start, self.ordinals.start + replicas)


@dataclass(frozen=True, slots=True)
class Holding:
    """A claim of the set. `pod_uid` is the pod of its ordinal that lives, empty without one;
    `volume` and `reclaim_policy` are empty while it is bound to none, or none that is known.
    """

    name: str
    ordinal: int
    owners: tuple[Owner, ...]
    finalizers: tuple[str, ...]
    is_terminating: bool
    pod: str
    pod_uid: str
    volume: str
    reclaim_policy: str


@dataclass(frozen=True, slots=True)
class Consequence:
    """What would happen to a claim and its volume, and why."""

    claim: str
    ordinal: int
    outcome: Outcome
    why: str
    volume: str
    volume_outcome: str


def if_deleted(
    wish: SetWish, holdings: Iterable[Holding], *, gone: frozenset[str]
) -> list[Consequence]:
    """What `kubectl delete` of the set and its pods would do (not `--cascade=orphan`, which takes
    the owner references away and keeps every claim). `gone` are uids of owners that are no more.
    """
    return [
        _told(each, *_if_deleted(wish, each, gone))
        for each in sorted(holdings, key=lambda each: (each.ordinal, each.name))
    ]


def if_scaled(
    wish: SetWish, holdings: Iterable[Holding], replicas: int, *, gone: frozenset[str]
) -> list[Consequence]:
    """What scaling the set to a number of replicas would do."""
    return [
        _told(each, *_if_scaled(wish, each, wish.scaled(replicas), gone))
        for each in sorted(holdings, key=lambda each: (each.ordinal, each.name))
    ]


def _if_deleted(wish: SetWish, holding: Holding, gone: frozenset[str]) -> tuple[Outcome, str]:
    if holding.is_terminating:
        return "DELETED", _going(holding)
    if not holding.owners:
        if wish.when_deleted == DELETE:
            return "KEPT", "whenDeleted is Delete, but the claim has no owner reference to the set"
        return "KEPT", "whenDeleted is Retain"
    goes_with = frozenset((wish.uid, holding.pod_uid))
    staying = [o for o in holding.owners if o.uid not in goes_with and not _gone(o, gone)]
    if staying:
        return "KEPT", f"also owned by {_named(staying)}"
    if not any(owner.uid in goes_with for owner in holding.owners):
        return "DELETED", f"its owner {_named(holding.owners)} is gone already{_held(holding)}"
    if wish.when_deleted == DELETE or not any(o.uid == wish.uid for o in holding.owners):
        why = "whenDeleted is Delete" if wish.when_deleted == DELETE else "owned by its pod"
        return "DELETED", why + _held(holding)
    return "DELETED", "whenDeleted is Retain now, but the set still owns the claim" + _held(holding)


def _if_scaled(
    wish: SetWish, holding: Holding, ordinals: range, gone: frozenset[str]
) -> tuple[Outcome, str]:
    if holding.is_terminating:
        return "DELETED", _going(holding)
    if holding.owners and all(_gone(owner, gone) for owner in holding.owners):
        return "DELETED", f"its owner {_named(holding.owners)} is gone already{_held(holding)}"
    if holding.ordinal in ordinals:
        if holding.ordinal not in wish.ordinals:
            return "KEPT", f"used again by {wish.name}-{holding.ordinal}"
        return "KEPT", f"{wish.name}-{holding.ordinal} stays"
    if not holding.pod_uid:
        if holding.ordinal in wish.ordinals:
            return "KEPT", f"{wish.name}-{holding.ordinal} does not exist: nobody would touch it"
        return "KEPT", "left behind already: only the claims of pods that go are touched"
    stale = [owner for owner in holding.owners if _is_stale(wish, holding, owner)]
    if stale:
        return "KEPT", f"the controller leaves alone what {_named(stale)} of another uid owns"
    if wish.when_scaled != DELETE:
        known = wish.when_scaled in (RETAIN, "")
        policy = "Retain" if known else f"{wish.when_scaled}, which counts as Retain"
        return "KEPT", f"whenScaled is {policy}"
    others = [o for o in holding.owners if o.uid not in (wish.uid, holding.pod_uid)]
    if any(owner.is_controller for owner in others):
        controllers = [owner for owner in others if owner.is_controller]
        return "KEPT", f"{_named(controllers)} controls it, so the policy is ignored"
    staying = [owner for owner in others if not _gone(owner, gone)]
    if staying:
        return "KEPT", f"also owned by {_named(staying)}"
    return "DELETED", "whenScaled is Delete" + _held(holding)


def _is_stale(wish: SetWish, holding: Holding, owner: Owner) -> bool:
    """An owner with the set's or the pod's name and another uid."""
    return owner.is_stale("StatefulSet", wish.name, wish.uid) or owner.is_stale(
        "Pod", holding.pod, holding.pod_uid
    )


def _gone(owner: Owner, gone: frozenset[str]) -> bool:
    return owner.uid in gone


def _named(owners: Iterable[Owner]) -> str:
    return " and ".join(f"{owner.kind} {owner.name}" for owner in owners)


def _going(holding: Holding) -> str:
    if holding.pod:
        return f"terminating already, gone once {holding.pod} lets go{_held(holding)}"
    return f"terminating already{_held(holding)}"


def _held(holding: Holding) -> str:
    others = holders(holding.finalizers)
    return f", once finalizer {' and '.join(others)} is taken off" if others else ""


def holders(finalizers: Iterable[str]) -> list[str]:
    """The finalizers that hold a claim back, whoever uses it."""
    return [name for name in finalizers if name != PROTECTION]


def _told(holding: Holding, outcome: Outcome, why: str) -> Consequence:
    return Consequence(
        holding.name, holding.ordinal, outcome, why, holding.volume, _volume(holding, outcome)
    )


def _volume(holding: Holding, outcome: Outcome) -> str:
    """What a volume's reclaim policy makes of it when its claim goes."""
    if not holding.volume or outcome == "KEPT":
        return "kept" if holding.volume else ""
    return {
        DELETE: "deleted with its data",
        RETAIN: "kept, Released: a new claim gets another volume",
        RECYCLE: "emptied and offered again",
    }.get(holding.reclaim_policy, "unknown: its reclaim policy was not recorded")
