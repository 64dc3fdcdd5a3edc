"""Where the template of a revision is taken from: the cluster, the record, or under age."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger import own_rules
from ledger.canonical import digest
from ledger.errors import IdentityUnusable, NotRecorded, NotRestorable, TamperedOriginal
from ledger.model import Position
from ledger.originals import Original, Wanted, from_live, from_recorded, from_sealed
from ledger.own_rules import OwnRules
from ledger.reader import LedgerReader
from ledger.sealing import Identities
from ledger.undo.candidates import Candidate
from ledger.unredacted import hides


@dataclass(frozen=True, slots=True)
class History:
    """Where the past is looked up, and how what is shown of it is redacted."""

    reader: LedgerReader
    bodies: Callable[[Position], bytes] | None = None
    """The records of the log behind the ledger; None where the log is not at hand."""

    identities: Identities | None = None
    """What opens sealed originals."""

    rules: OwnRules = own_rules.NONE


def original_of(history: History | None, target: Candidate, wanted: Wanted) -> Original:
    """The whole template of the target, held against what was recorded of it.

    Raises TamperedOriginal when it is not that, NotRestorable when there is none,
    IdentityUnusable when none of the identities opens it, NotRecorded when it is sealed in a log
    that is not at hand.
    """
    if target.raw_revision is not None:
        return from_live(target.raw_revision, wanted)
    kept = _kept(history, target, wanted) if history else from_recorded(wanted)
    if kept.name_hash == "differs":
        raise _misnamed(kept, target)
    return kept


def _misnamed(kept: Original, target: Candidate) -> TamperedOriginal:
    return TamperedOriginal(
        f"the {kept.source} template of revision {target.label} does not have the hash that is "
        f"in the name {target.name}",
        hint="it is not what the cluster had; nothing was changed",
    )


def _kept(history: History, target: Candidate, wanted: Wanted) -> Original:
    """The original that outlived its ControllerRevision."""
    if not hides(wanted.template):
        return from_recorded(wanted)
    asked = {"template_digest": digest(wanted.template)}
    positions = [row["position"] for row in history.reader.query("sealed_originals", asked)]
    return _opened(history, target, wanted, positions) if positions else from_recorded(wanted)


def _opened(history: History, target: Candidate, wanted: Wanted, positions: list[int]) -> Original:
    if history.bodies is None:
        raise NotRecorded(
            f"the original of revision {target.label} is sealed in the log, which is not at hand",
            hint="undo on the machine that holds log.db, or name it with --log sqlite:///path",
        )
    if history.identities is None:
        raise NotRestorable(
            f"revision {target.label} holds secrets, and its original is sealed",
            hint="give the age identity that opens it: --identity FILE",
        )
    failed: IdentityUnusable | TamperedOriginal | None = None
    for position in positions:
        try:
            found = from_sealed(history.bodies(Position(position)), history.identities, wanted)
            if found.name_hash != "differs":
                return found
            failed = failed or _misnamed(found, target)
        except (IdentityUnusable, TamperedOriginal) as wrong:
            # Anybody can seal: what somebody else has put there must not hide the true one.
            failed = failed or wrong
    assert failed is not None
    raise failed
