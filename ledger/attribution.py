"""Who made a change, and how far that is proven; pure.

A request is named only where the evidence leaves nobody else, and its grade never rises above that
evidence. A resourceVersion alone is no proof: the API server answers a dry run or a patch that
changes nothing with the version that somebody else wrote. Nor is the absence of another request:
audit logs have holes. So whatever the rest says, a change must have been seen while the request
that made it was under way, or after it; where nothing but time speaks for a request, at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from ledger.audit.paths import covers, may_cover
from ledger.diff import Change, Field
from ledger.evidence import BODIES, Action, Basis, Ending, Evidence, Write
from ledger.managed_fields import Manager, entries, last_writer, owners_of
from ledger.model import parse_timestamp, timestamp

CLOCKS_SECONDS = 0.05
"""How far the clocks of the API server and the watcher may be apart. A request that came in later
than this after its change was seen cannot have made it: it found the change made.
"""

DELAY_SECONDS = 0.05
"""How long after the end of a request a change may be seen for nothing but time to link the two: a
watch is told within milliseconds. A slower one costs names and never makes wrong ones.
"""

DELETIONS = ("delete", "deletecollection")

KUBELETS = "system:node:"
"""A kubelet ends what somebody else has deleted, and begins no deletion of its own."""

FOLLOWERS = frozenset(
    (
        "system:kube-controller-manager",
        *(
            f"system:serviceaccount:kube-system:{name}"
            for name in (
                "statefulset-controller",
                "generic-garbage-collector",
                "pod-garbage-collector",
                "namespace-controller",
                "persistent-volume-binder",
                "pvc-protection-controller",
                "pv-protection-controller",
            )
        ),
    )
)
"""Controllers that delete only because of what somebody else has written or deleted. What evicts by
its own judgement (a scheduler that makes room, a taint) is not among them.
"""

UNKNOWN_MANAGER = "unknown"
"""The field manager of a client that names neither itself nor its program
(apimachinery, managedfields/fieldmanager.go)."""


def authors_of_write(write: Write, actions: Iterable[Action]) -> list[Evidence]:
    """All evidence about who made a spec write, from requests about the same object or name that
    came after the state before it.
    """
    asked = [
        action
        for action in actions
        if action.verb in ("create", "update", "patch")
        and action.received_at <= _moved(write.observed_at, CLOCKS_SECONDS)
    ]
    return [*_named(_makers(write, asked)), *_stamped(write), *_claimed(write)]


def authors_of_ending(ending: Ending, actions: Iterable[Action]) -> list[Evidence]:
    """All evidence about who deleted an object, from requests about the same object or name."""
    asked = [
        action
        for action in actions
        if (action.verb in DELETIONS or action.subresource == "eviction")
        and action.received_at <= _moved(ending.observed_at, CLOCKS_SECONDS)
        and not action.user.startswith(KUBELETS)
    ]
    known = _not_outrun([a for a in asked if a.uid == ending.uid and _is_sure_deletion(a)])
    # Where no state of the ending was seen, only time tells the first deletion from another.
    first = [
        (action, True if ending.version or _is_at_once(action, ending.observed_at) else None)
        for action in known
        if _begins(ending, action)
    ]
    # Who deletes at once leaves a later version than the one the ending began with, but so does
    # who hurries an ending.
    hurried = [(a, None) for a in known if ending.version and (a.version or 0) > ending.version]
    vague = [
        (action, None)
        for action in asked
        if not (action.uid and _is_sure_deletion(action))
        and _may_mean(action, ending)
        and _is_at_once(action, ending.observed_at)
    ]
    return _named([*(first or hurried), *vague])


def is_follower(user: str) -> bool:
    """Whether a user deletes only because of what somebody else has written or deleted."""
    return user in FOLLOWERS


_Maker = tuple[Action, bool | None]
"""A request, and whether it has made the change: True is proof, None may be."""


def _makers(write: Write, asked: Sequence[Action]) -> list[_Maker]:
    """The requests that can have made a write."""
    ours = [a for a in asked if a.uid == write.uid and not _changed_nothing(a)]
    if write.generation == 1:
        # Nothing but its creation is answered so, and an object is created once.
        creators: list[_Maker] = [(action, True) for action in ours if action.code == 201]
        return creators[:1] or _untold(write, asked)
    known = [a for a in ours if a.version is not None and a.version <= write.version]
    if not write.is_adjacent:
        # Each that made a generation may have made a part of what differs.
        parts = [a for a in known if (a.generation or 0) != write.before_generation]
        return [(action, None) for action in parts] + _untold(write, asked)
    same = _not_outrun([action for action in known if action.version == write.version])
    makers = [(action, fits) for action in same if (fits := _fits(write, action)) is not False]
    if not makers:
        # The state that the request left was not seen, but a later one of its generation.
        passed = _not_outrun([a for a in known if a.generation == write.generation])
        makers = [(action, None) for action in passed if _fits(write, action) is not False]
    return makers + _untold(write, asked)


def _changed_nothing(action: Action) -> bool:
    """Whether a request was answered with the very version that it was to be written over."""
    return action.version is not None and action.version == action.required_version


def _untold(write: Write, asked: Iterable[Action]) -> list[_Maker]:
    """Those whose answers are not in the audit log."""
    return [
        (action, None)
        for action in asked
        if action.version is None
        and action.uid in ("", write.uid)
        and _is_at_once(action, write.observed_at)
        and _fits(write, action) is not False
    ]


def _is_sure_deletion(action: Action) -> bool:
    """Whether a request was to delete, and no dry run: a deletion says so in its body alone."""
    return action.verb in DELETIONS and action.level in BODIES


def _may_mean(action: Action, ending: Ending) -> bool:
    if action.uid:
        return action.uid == ending.uid
    # A successor of the same name may have begun and ended since.
    return action.received_at[:19] > ending.created_at[:19]


def _begins(ending: Ending, action: Action) -> bool:
    """Whether an object's ending can have begun with a deletion: the answer to one has the version
    that it left, a collection's those that it found (registry/store.go, DeleteCollection).
    """
    if action.version is None or ending.version is None:
        return True
    if action.verb == "deletecollection":
        return action.version < ending.version
    return action.version == ending.version


def _not_outrun(actions: Sequence[Action]) -> list[Action]:
    """Those that did not come in only after another one was done."""
    done = min((b.completed_at for b in actions), default="")
    return [a for a in actions if a.received_at <= done]


def _is_at_once(action: Action, observed_at: str) -> bool:
    """Whether a change was seen while the request was under way, or hardly later."""
    return action.received_at <= observed_at <= _moved(action.completed_at, DELAY_SECONDS)


def _named(makers: Sequence[_Maker]) -> list[Evidence]:
    """Who is left, if it is one; requests of one user alike leave no doubt about the user."""
    if len({(action.user, action.impersonated) for action, _ in makers}) != 1:
        return []
    basis: Basis = "exact" if len(makers) == 1 and makers[0][1] is True else "probable"
    first = min((action for action, _ in makers), key=lambda a: (a.received_at, a.position))
    return [Evidence("audit", first.user, first.impersonated, basis, first.position)]


def _fits(write: Write, action: Action) -> bool | None:
    """Whether a request has made the changes of a write; None when that cannot be told."""
    if write.generation == 1:
        return action.code == 201
    if action.replicas is not None and action.replicas != write.replicas:
        return False
    if action.subresource == "scale" and not write.is_scale:
        return False
    told = [_made(write, action, change) for change in write.changes if change.comparable]
    if False in told:
        return False
    if action.subresource == "scale":
        # Of a scale to none nobody owns the replicas.
        return action.replicas is not None or None
    sure = [each for each in told if each is not None]
    # What the server fills in belongs to nobody after a server-side apply.
    return True if sure and (_applies(write, action) or len(sure) == len(told)) else None


def _made(write: Write, action: Action, change: Change) -> bool | None:
    if change.kind == "removed":
        return _removes(write, action, change)
    owners = owners_of(entries(write.metadata), change, ())
    if not owners:
        return None
    return any(_is_by(owner, action) for owner in owners)


def _is_by(owner: Manager, action: Action) -> bool:
    """Whether a manager's entry is what the request would have left: its times are whole seconds,
    and a scale's entry has none.
    """
    manager = action.manager or UNKNOWN_MANAGER
    is_same = (owner.manager, owner.subresource) == (manager, action.subresource)
    at = owner.time[:19]
    return is_same and (not at or action.received_at[:19] <= at <= action.completed_at[:19])


def _removes(write: Write, action: Action, change: Change) -> bool | None:
    if action.verb == "update":
        return True
    if _applies(write, action):
        owners = owners_of(entries(write.metadata_before), change, ())
        return any(_has_applied(owner, action) for owner in owners)
    if not action.touched and not action.removed:
        return None
    field = [step.name if isinstance(step, Field) else "*" for step in change.segments]
    if covers((*action.touched, *action.removed), field):
        return True
    # A merge patch that names one item of a list leaves none of the others, a strategic one all;
    # the audit log does not say which it was.
    lists = [path[: path.index("/*")] for path in action.touched if "/*" in path]
    is_open = covers(lists, field) or may_cover((*action.touched, *action.removed), field)
    return None if is_open else False


def _applies(write: Write, action: Action) -> bool:
    """Whether a request that looks like a server-side apply is one: its manager then has an entry
    of that operation, unless it owns nothing any more. A merge patch may name a kind too.
    """
    managers = (*entries(write.metadata), *entries(write.metadata_before))
    return action.apply and any(_has_applied(manager, action) for manager in managers)


def _has_applied(owner: Manager, action: Action) -> bool:
    return (owner.manager, owner.operation) == (action.manager, "Apply")


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
    managers = entries(write.metadata)
    if write.generation == 1:
        writers = [m for m in managers if not m.subresource]
    elif write.is_scale:
        writers = list(owners_of(managers, write.changes[0], ()))
    else:
        writers = list(
            last_writer(
                write.metadata_before,
                write.metadata,
                write.changes,
                (),
                adjacent=write.is_adjacent,
            )
        )
    names = {writer.manager for writer in writers if writer.manager}
    if len(names) != 1:
        return []
    return [Evidence("manager", names.pop(), "", "claimed", write.position)]


def _moved(at: str, seconds: float) -> str:
    return timestamp(parse_timestamp(at) + timedelta(seconds=seconds))
