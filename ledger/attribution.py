"""Who made a change, and how far that is proven; pure.

A request is named only where the evidence leaves nobody else, and its grade never rises above that
evidence. A resourceVersion alone is no proof: the API server answers a dry run or a patch that
changes nothing with the version that somebody else wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from ledger.audit.paths import covers
from ledger.diff import Change, Field
from ledger.managed_fields import Manager, entries, last_writer, owners_of
from ledger.model import parse_timestamp, timestamp

Basis = Literal["exact", "strong", "probable", "claimed"]
RANKS: dict[Basis, int] = {"exact": 0, "strong": 1, "probable": 2, "claimed": 3}

CLOCKS_SECONDS = 0.1
"""How far the clocks of the API server and the watcher may be apart. A request that came in later
than this after its write was seen cannot have made it.
"""

KUBELETS = "system:node:"
"""A kubelet ends what somebody else has deleted, and begins no deletion of its own."""

CONTROLLERS = ("system:serviceaccount:kube-system:", KUBELETS, "system:kube-")
"""Whose names begin so are parts of Kubernetes: they do what somebody else's write asks for."""

REPLICAS = (Field("spec"), Field("replicas"))


@dataclass(frozen=True, slots=True)
class Action:
    """An audited request that succeeded and was no dry run. `uid` is empty and `version` None where
    the audit log did not hold the answer; `touched` and `removed` are those of audit/paths.py.
    """

    position: int
    user: str
    impersonated: str
    manager: str
    verb: str
    subresource: str
    uid: str
    version: int | None
    generation: int | None
    code: int
    received_at: str
    completed_at: str
    replicas: int | None
    apply: bool
    touched: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """A spec write: the first state seen of its generation, and the state before it.

    `managers` and `managers_before` are their managedFields; `changes` go from the object's root.
    """

    uid: str
    version: int
    generation: int
    observed_at: str
    position: int
    managers: Sequence[Any]
    replicas: int
    stamp: str | None = None
    before_generation: int | None = None
    before_at: str = ""
    before_stamp: str | None = None
    managers_before: Sequence[Any] = ()
    changes: tuple[Change, ...] = ()

    @property
    def is_adjacent(self) -> bool:
        """No other spec write lies between the two states."""
        return self.generation == 1 or self.before_generation == self.generation - 1

    @property
    def is_scale(self) -> bool:
        """Only the number of replicas differs."""
        return bool(self.changes) and all(c.segments == REPLICAS for c in self.changes)


@dataclass(frozen=True, slots=True)
class Ending:
    """The moment at which an object began to end: its first state with a deletionTimestamp, or its
    deletion where there was none.
    """

    uid: str
    version: int | None
    created_at: str
    observed_at: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason to name somebody: who, on what basis, and the record that says so."""

    source: Literal["audit", "stamp", "manager"]
    actor: str
    impersonated: str
    basis: Basis
    position: int


def authors_of_write(write: Write, actions: Iterable[Action]) -> list[Evidence]:
    """All evidence about who made a spec write, from requests about the same object or name."""
    asked = [a for a in actions if a.verb in ("create", "update", "patch")]
    seen = [a for a in asked if a.received_at <= _latest(write.observed_at)]
    same = [a for a in seen if a.uid == write.uid and a.version == write.version]
    left = [(a, _fits(write, a)) for a in _first_of(same, write, asked)]
    named = _named(left, is_proof=write.is_adjacent) or _named(
        [(a, _fits(write, a)) for a in _unseen(write, seen)], is_proof=False
    )
    return [*named, *_stamped(write), *_claimed(write)]


def authors_of_ending(ending: Ending, actions: Iterable[Action]) -> list[Evidence]:
    """All evidence about who deleted an object, from requests about the same object or name."""
    asked = [
        a
        for a in actions
        if a.received_at <= _latest(ending.observed_at) and not a.user.startswith(KUBELETS)
    ]
    known = [a for a in asked if a.uid == ending.uid and a.verb in ("delete", "deletecollection")]
    versions = (None, ending.version)
    first = [a for a in _not_outrun(known, known) if a.version in versions or not ending.version]
    if first:
        return _named([(a, True) for a in first], is_proof=True)
    by_name = [a for a in asked if not a.uid and a.received_at[:19] >= ending.created_at[:19]]
    return _named([(a, True) for a in _not_outrun(by_name, by_name)], is_proof=False)


def is_controller(user: str) -> bool:
    """Whether a user is a part of Kubernetes itself."""
    return user.startswith(CONTROLLERS)


def _first_of(same: list[Action], write: Write, asked: list[Action]) -> list[Action]:
    """Those that no other request, which found the object at this version or later, has outrun."""
    others = [
        a
        for a in asked
        if a.uid == write.uid and a.version is not None and a.version >= write.version
    ]
    return _not_outrun(same, others)


def _not_outrun(some: list[Action], others: list[Action]) -> list[Action]:
    return [a for a in some if not any(b.completed_at < a.received_at for b in others)]


def _unseen(write: Write, seen: list[Action]) -> list[Action]:
    """Requests that may have made a write whose own version nobody saw, or whose answers are not in
    the audit log.
    """
    generation = [
        a
        for a in seen
        if a.uid == write.uid
        and a.generation == write.generation
        and (a.version or 0) < write.version
    ]
    if generation:
        return _not_outrun(generation, generation)
    since = _earlier(write.before_at) if write.before_at else ""
    return [
        a
        for a in seen
        if a.version is None and a.uid in ("", write.uid) and a.completed_at >= since
    ]


def _named(fitting: Sequence[tuple[Action, bool | None]], *, is_proof: bool) -> list[Evidence]:
    """Who is left, if it is one; requests of one user alike leave no doubt about the user."""
    left = [(action, fits) for action, fits in fitting if fits is not False]
    if len({(action.user, action.impersonated) for action, _ in left}) != 1:
        return []
    is_exact = is_proof and len(left) == 1 and left[0][1] is True
    first = min((action for action, _ in left), key=lambda action: action.received_at)
    basis: Basis = "exact" if is_exact else "probable"
    return [Evidence("audit", first.user, first.impersonated, basis, first.position)]


def _fits(write: Write, action: Action) -> bool | None:
    """Whether a request has made the changes of a write; None when that cannot be told."""
    if write.generation == 1:
        return action.code == 201
    if action.subresource == "scale" and not write.is_scale:
        return False
    if action.replicas is not None and action.replicas != write.replicas:
        return False
    told = [_made(write, action, change) for change in write.changes if change.comparable]
    if False in told:
        return False
    # What the server fills in belongs to nobody after a server-side apply.
    sure = [each for each in told if each is not None]
    return True if sure and (action.apply or len(sure) == len(told)) else None


def _made(write: Write, action: Action, change: Change) -> bool | None:
    if change.kind == "removed":
        return _removes(write, action, change)
    owners = owners_of(entries({"managedFields": write.managers}), change, ())
    if not owners:
        return None
    return any(_is_by(owner, action) for owner in owners)


def _is_by(owner: Manager, action: Action) -> bool:
    """Whether a manager's entry is what the request would have left: its times are whole seconds,
    and a scale's entry has none.
    """
    is_same = (owner.manager, owner.subresource) == (action.manager, action.subresource)
    at = owner.time[:19]
    return is_same and (not at or action.received_at[:19] <= at <= action.completed_at[:19])


def _removes(write: Write, action: Action, change: Change) -> bool | None:
    if action.verb == "update":
        return True
    if action.apply:
        owners = owners_of(entries({"managedFields": write.managers_before}), change, ())
        return any(o.manager == action.manager and o.operation == "Apply" for o in owners)
    if not action.touched and not action.removed:
        return None
    field = [step.name if isinstance(step, Field) else "*" for step in change.segments]
    return covers((*action.touched, *action.removed), field)


def _stamped(write: Write) -> list[Evidence]:
    """The admission policy's stamp: the generation it found and the user, as `7:alice`.

    It counts only where it is new with this very generation, since annotations linger; a scale
    leaves it as it was.
    """
    base, _, user = (write.stamp or "").partition(":")
    is_new = write.stamp != write.before_stamp and base == str(write.generation - 1)
    if not user or not is_new or not write.is_adjacent or write.is_scale:
        return []
    return [Evidence("stamp", user, "", "strong", write.position)]


def _claimed(write: Write) -> list[Evidence]:
    """The field manager, by the name that its client gave."""
    managers = entries({"managedFields": write.managers})
    if write.generation == 1:
        writers = [m for m in managers if not m.subresource]
    elif write.is_scale:
        writers = list(owners_of(managers, write.changes[0], ()))
    else:
        writers = list(
            last_writer(
                {"managedFields": write.managers_before},
                {"managedFields": write.managers},
                write.changes,
                (),
                adjacent=write.is_adjacent,
            )
        )
    names = {writer.manager for writer in writers if writer.manager}
    if len(names) != 1:
        return []
    return [Evidence("manager", names.pop(), "", "claimed", write.position)]


def _latest(observed_at: str) -> str:
    return timestamp(parse_timestamp(observed_at) + timedelta(seconds=CLOCKS_SECONDS))


def _earlier(observed_at: str) -> str:
    return timestamp(parse_timestamp(observed_at) - timedelta(seconds=CLOCKS_SECONDS))
