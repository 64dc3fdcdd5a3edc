"""Where a revision's original pod template comes from, and whether it is the one recorded.

The record has the template redacted; the original is in the live ControllerRevision, in a sealed
record, or is the recorded template itself where nothing was hidden. Whatever was not hidden must be
equal, or it is refused: anybody can seal, and a cluster can have been rebuilt. Pure; what is read
from where is for undo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ledger.canonical import digest, normal_template
from ledger.errors import NotRestorable, PoisonRecord, TamperedOriginal
from ledger.revision_hash import NameHash, name_hash
from ledger.sealed import read_sealed
from ledger.sealing import Identities, unseal
from ledger.unredacted import hides, is_original_of

Source = Literal["live", "sealed", "recorded"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The revision whose original is wanted, as the ledger has it."""

    name: str
    """The ControllerRevision's name; empty for a template that never got one."""

    template: Mapping[str, Any]
    """The recorded template: redacted, in normal form."""

    collision_count: int = 0
    """The set's `status.collisionCount`; 0 where the set is gone."""


@dataclass(frozen=True, slots=True)
class Original:
    """A pod template in normal form, whole, that is the recorded one in all that was not hidden.

    `name_hash` says whether Kubernetes' own hash of it is in the revision's name: `differs` means
    that something hidden is not what it was, or that somebody named the revision by hand.
    """

    template: Mapping[str, Any]
    source: Source
    name_hash: NameHash


def from_live(raw_revision: Mapping[str, Any], wanted: Wanted) -> Original:
    """The original in a ControllerRevision as the API server gives it.

    Raises TamperedOriginal when it is not what was recorded.
    """
    try:
        template = normal_template(raw_revision["data"]["spec"]["template"])
    except (KeyError, TypeError, AttributeError):
        raise TamperedOriginal(f"ControllerRevision {wanted.name} has no pod template") from None
    if not is_original_of(wanted.template, template):
        raise TamperedOriginal(
            f"ControllerRevision {wanted.name} in the cluster is not what was recorded",
            hint="compare it with `rollout-ledger show --revision`; nothing was changed",
        )
    return _original(template, "live", wanted)


def from_sealed(value: bytes, identities: Identities, wanted: Wanted) -> Original:
    """The original in a `sealed.v1` record, given as its bytes in the log.

    Raises IdentityUnusable when the identities do not open it, TamperedOriginal when it is not of
    the recorded template or not what was recorded.
    """
    try:
        sealed = read_sealed(value)
    except PoisonRecord as wrong:
        raise TamperedOriginal(f"the sealed original is damaged: {wrong.message}") from None
    if sealed.template != digest(wanted.template):
        raise TamperedOriginal("the sealed original is another template's")
    template = unseal(sealed, identities)
    if not is_original_of(wanted.template, template):
        raise TamperedOriginal(
            f"the sealed original of {wanted.name or 'the template'} is not what was recorded",
            hint="somebody else has sealed it: find out who may write to the log",
        )
    return _original(template, "sealed", wanted)


def from_recorded(wanted: Wanted) -> Original:
    """The recorded template itself. Raises NotRestorable when anything in it is hidden."""
    if hides(wanted.template):
        raise NotRestorable(
            f"{wanted.name or 'the template'} cannot be restored: secrets were redacted "
            "and no original was sealed",
            hint="from now on, record with --seal-to: docs/originals.md",
        )
    return _original(wanted.template, "recorded", wanted)


def _original(template: Mapping[str, Any], source: Source, wanted: Wanted) -> Original:
    checked = name_hash(wanted.name, template, wanted.collision_count)
    return Original(template, source, checked)
