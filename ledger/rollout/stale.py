"""The claim that keeps a missing pod from being made; pure.

Where whenScaled is Delete, the controller makes no pod while one of its claims is owned by an
earlier pod of the name: it waits until the garbage collector has taken the claim away, and says so
nowhere (kubernetes pkg/controller/statefulset/stateful_pod_control.go, PodClaimIsStale).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ledger.rollout.claims import Owner
from ledger.rollout.retention import RETAIN, holders
from ledger.rollout.sets import SetStatus


@dataclass(frozen=True, slots=True)
class HeldClaim:
    """As much of a claim as decides whether its pod is made."""

    owners: tuple[Owner, ...]
    finalizers: tuple[str, ...]
    is_terminating: bool


@dataclass(frozen=True, slots=True)
class StaleClaim:
    """A claim that keeps its pod from being made: `owner` is the earlier pod, `finalizers` hold the
    claim even when no pod uses it.
    """

    claim: str
    owner: Owner
    finalizers: tuple[str, ...]
    is_terminating: bool

    @property
    def told(self) -> str:
        """The same as a sentence."""
        told = f"claim {self.claim} is owned by an earlier Pod {self.owner.name}"
        told += f" (uid {self.owner.uid}): no pod is made until the claim"
        if not self.is_terminating:
            return f"{told} or that owner reference is gone"
        held = f", which finalizer {' and '.join(self.finalizers)} holds" if self.finalizers else ""
        return f"{told} is gone{held}"


def waits_for_claims(status: SetStatus) -> bool:
    """Whether the set's controller looks at whose a missing pod's claims are."""
    return status.when_scaled not in (RETAIN, "")


def stale_claims(
    status: SetStatus,
    set_name: str,
    templates: Sequence[str],
    claims: Mapping[str, HeldClaim],
    missing: Iterable[int],
) -> dict[int, StaleClaim]:
    """For each ordinal that has no pod the claim, of those given by name, that keeps it from being
    made. A pod that is yet to be made has no uid, so any owner of its name is an earlier one.
    """
    if not waits_for_claims(status):
        return {}
    found: dict[int, StaleClaim] = {}
    for ordinal in missing:
        for template in templates:
            name = f"{template}-{set_name}-{ordinal}"
            stale = _stale(name, claims.get(name), f"{set_name}-{ordinal}")
            if stale is not None:
                found.setdefault(ordinal, stale)
    return found


def _stale(name: str, claim: HeldClaim | None, pod: str) -> StaleClaim | None:
    if claim is None:
        return None
    for owner in claim.owners:
        if owner.is_stale("Pod", pod, ""):
            held = tuple(holders(claim.finalizers))
            return StaleClaim(name, owner, held, claim.is_terminating)
    return None
