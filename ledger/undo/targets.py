"""Which revision an undo goes back to, chosen among all that ever were; pure.

The ledger's entries and the live ControllerRevisions are one list: what Kubernetes renumbered or
pruned is still there, and what was never recorded is offered as kubectl offers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import groupby
from typing import Any

from ledger.errors import LedgerError, NotRecorded, UsageError
from ledger.model import parse_timestamp, timestamp

UNKNOWN_TRIGGERS = ("found", "adopted")
"""Triggers of revisions that had pods before anybody watched."""

NOTHING_BEFORE = "no last revision to roll back to"


@dataclass(frozen=True, slots=True)
class Previous:
    """The newest earlier revision with another template that a pod became ready on."""


@dataclass(frozen=True, slots=True)
class ToRevision:
    """A number or label of the ledger, or of a live ControllerRevision."""

    word: str


@dataclass(frozen=True, slots=True)
class ToTime:
    """Whatever was the newest revision at a time (RFC 3339, as the ledger writes it)."""

    at: str


@dataclass(frozen=True, slots=True)
class ToLastGood:
    """The newest revision that was complete and then stayed healthy so long, or until another took
    its place.
    """

    seconds: float = 3600.0


To = Previous | ToRevision | ToTime | ToLastGood


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall be undone, and to where."""

    namespace: str
    name: str
    to: To = Previous()
    incarnation: str = ""
    """The beginning of the uid of an earlier StatefulSet of this name; empty for the living one."""

    unsticks: bool = False
    """Pods that hold it up for ever shall go. Then a set that was set back already, and only waits
    for such a pod, is not set back any further.
    """


@dataclass(frozen=True, slots=True)
class Candidate:
    """A revision that the set could be set back to."""

    workload_uid: str
    revision_uid: str
    number: int
    label: str
    name: str
    digest: str | None
    """Of the recorded template; None when it was not recorded."""

    generation: int | None = None
    observed_at: str | None = None
    is_ready: bool | None = None
    """Whether a pod was ever ready on it; None when nobody can tell."""

    finished_at: str | None = None
    broke_at: str | None = None
    superseded_at: str | None = None
    superseded_generation: int | None = None
    deleted_at: str | None = None
    """When its incarnation was deleted."""

    raw_revision: Mapping[str, Any] | None = None
    """The live ControllerRevision that holds its template."""

    @property
    def created_at(self) -> str:
        """When its ControllerRevision was created; empty for one that is gone."""
        metadata = (self.raw_revision or {}).get("metadata") or {}
        return str(metadata.get("creationTimestamp") or "")

    @property
    def is_recorded(self) -> bool:
        """Whether the ledger has its template."""
        return self.digest is not None

    def is_same_as(self, other: Candidate) -> bool:
        """Whether both have one template."""
        return self.name == other.name or (self.digest is not None and self.digest == other.digest)


@dataclass(frozen=True, slots=True)
class Now:
    """The living set, as far as the choice depends on it."""

    uid: str
    update_revision: str
    template_revision: str | None
    """The live revision that has its template: not the update revision while the controller has not
    seen the last write, and None when it is to make one for it first.
    """

    at: str
    """The time, as the ledger writes it."""

    stuck_on: tuple[str, ...] = ()
    """The revisions of the pods that hold it up for ever as it is (kubernetes#67250)."""


def candidates(
    rows: Sequence[Mapping[str, Any]],
    raw_revisions: Sequence[Mapping[str, Any]],
    *,
    uid: str,
    ready: Iterable[str],
) -> list[Candidate]:
    """Every revision with a template, of every incarnation; rows are those of
    queries/undo_targets.sql, the live revisions those of the set of this uid, and `ready` names the
    revisions that a living pod is ready on.
    """
    by_uid = {raw["metadata"]["uid"]: raw for raw in raw_revisions}
    by_name = {raw["metadata"]["name"]: raw for raw in raw_revisions}
    on_it = set(ready)
    found: list[Candidate] = []
    for _, each in groupby(rows, key=lambda row: str(row["workload_uid"])):
        found += _recorded(list(each))
    known = {(each.revision_uid, each.number) for each in found}
    found += [_unrecorded(raw, uid) for raw in raw_revisions if _key(raw) not in known]
    return [
        replace(
            each,
            raw_revision=by_uid.get(each.revision_uid) or by_name.get(each.name),
            is_ready=True if each.workload_uid == uid and each.name in on_it else each.is_ready,
        )
        for each in found
    ]


def choose(wish: Wish, found: Sequence[Candidate], now: Now) -> Candidate:
    """The revision that is meant.

    Raises LedgerError, NotRecorded or UsageError, in kubectl's words where it has some.
    """
    uid = _incarnation(wish, found, now)
    mine = sorted((each for each in found if each.workload_uid == uid), key=_order)
    match wish.to:
        case ToRevision(word) if word.lstrip("+") != "0":
            return _numbered(wish, word, mine, found)
        case ToTime(at):
            return _at(wish, at, found)
        case ToLastGood(seconds):
            return _last_good(wish, seconds, mine, now)
    if wish.incarnation:
        raise UsageError(
            "an earlier StatefulSet has no previous revision",
            hint="name one of its own with --to-revision",
        )
    running = current(mine, now)
    if running is None or not (wish.unsticks and now.stuck_on):
        return _previous(mine, running, now)
    if _is_set_back(mine, running, now):
        return running
    try:
        return _previous(mine, running, now)
    except LedgerError:
        # A set that never came up has nothing to go back to; its pod can still go.
        return running


def current(mine: Sequence[Candidate], now: Now) -> Candidate | None:
    """The newest entry, either of the update revision or of the template that is to follow it: one
    with a higher number has just been made for it, one with a lower is yet to be renumbered.
    """
    names = (now.update_revision, now.template_revision)
    running = [each for each in mine if each.name in names]
    return running[-1] if running else None


def _is_set_back(mine: Sequence[Candidate], running: Candidate, now: Now) -> bool:
    """Whether the set waits for ever on a pod of a revision that it was set back from."""
    left = [e for e in mine if e.name in now.stuck_on and e.number < running.number]
    return any(
        _is_older(running, bad)
        or any(e.number < bad.number and e.is_same_as(running) for e in mine)
        for bad in left
    )


def _is_older(running: Candidate, bad: Candidate) -> bool:
    """Whether the revision with the higher number was created first: the controller renumbers one
    that comes back.
    """
    return bool(running.created_at and bad.created_at and running.created_at < bad.created_at)


def _previous(mine: Sequence[Candidate], running: Candidate | None, now: Now) -> Candidate:
    if running is None or now.template_revision is None:
        earlier = list(mine)
    else:
        earlier = [e for e in mine if _order(e) < _order(running) and not e.is_same_as(running)]
    for each in reversed(earlier):
        if each.is_ready is not False:
            return each
    raise LedgerError(
        NOTHING_BEFORE,
        hint="no pod became ready on any earlier one; --to-revision N takes one all the same"
        if earlier
        else "",
    )


def _numbered(
    wish: Wish, word: str, mine: Sequence[Candidate], found: Sequence[Candidate]
) -> Candidate:
    named = [each for each in mine if word in (each.label, str(each.number))]
    if len(named) > 1:
        raise UsageError(
            f"revision {word} of {wish.namespace}/{wish.name} was used {len(named)} times",
            hint="say which: " + ", ".join(each.label for each in named),
        )
    if named:
        return named[0]
    elsewhere = [each for each in found if word in (each.label, str(each.number))]
    raise NotRecorded(
        f"unable to find specified revision {word} in history",
        hint=f"an earlier StatefulSet of this name had one: --incarnation "
        f"{elsewhere[-1].workload_uid[:8]}"
        if elsewhere
        else "there are: " + (", ".join(each.label for each in mine[-12:]) or "none"),
    )


def _at(wish: Wish, at: str, found: Sequence[Candidate]) -> Candidate:
    seen = [each for each in found if each.observed_at is not None and each.observed_at <= at]
    if seen:
        newest = max(seen, key=lambda each: (str(each.observed_at), each.number))
        if newest.deleted_at is None or newest.deleted_at > at:
            return newest
    first = min((each.observed_at for each in found if each.observed_at), default=None)
    raise NotRecorded(
        f"{wish.namespace}/{wish.name} is not known to have been there at {at}",
        hint=f"it was first recorded at {first}" if first else "nothing of it is recorded",
    )


def _last_good(wish: Wish, seconds: float, mine: Sequence[Candidate], now: Now) -> Candidate:
    for each in reversed(mine):
        if _was_good(each, seconds, now):
            return each
    raise NotRecorded(
        f"no revision of {wish.namespace}/{wish.name} is known to have been complete and to have "
        f"stayed healthy for {seconds:.0f}s",
        hint="rollout-ledger rollouts shows what became of each; --good-for asks for less",
    )


def _was_good(each: Candidate, seconds: float, now: Now) -> bool:
    if each.finished_at is None:
        return False
    wanted = timestamp(parse_timestamp(each.finished_at) + timedelta(seconds=seconds))
    until = min(wanted, each.superseded_at or now.at)
    is_long_enough = each.superseded_at is not None or now.at >= wanted
    return is_long_enough and (each.broke_at is None or each.broke_at > until)


def _incarnation(wish: Wish, found: Sequence[Candidate], now: Now) -> str:
    if not wish.incarnation:
        return now.uid
    uids = {each.workload_uid for each in found if each.workload_uid.startswith(wish.incarnation)}
    if len(uids) == 1:
        return uids.pop()
    known = ", ".join(dict.fromkeys(each.workload_uid[:8] for each in found)) or "none"
    raise UsageError(
        f"{len(uids)} StatefulSets named {wish.name} have a uid that begins with "
        f"{wish.incarnation}",
        hint=f"recorded are: {known}",
    )


def _recorded(rows: Sequence[Mapping[str, Any]]) -> Iterator[Candidate]:
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        if row["template_digest"] is None:
            continue
        yield Candidate(
            workload_uid=str(row["workload_uid"]),
            revision_uid=str(row["revision_uid"]),
            number=int(row["number"]),
            label=str(row["label"]),
            name=str(row["name"]),
            digest=str(row["template_digest"]),
            generation=row["generation"],
            observed_at=row["observed_at"],
            is_ready=_is_ready(row),
            finished_at=row["finished_at"],
            broke_at=row["broke_at"],
            superseded_at=following["observed_at"] if following else None,
            superseded_generation=following["generation"] if following else None,
            deleted_at=row["deleted_at"],
        )


def _is_ready(row: Mapping[str, Any]) -> bool | None:
    if row["ready_at"] is not None:
        return True
    is_unknown = row["trigger"] in UNKNOWN_TRIGGERS or row["phase"] == "unobserved"
    return None if is_unknown else False


def _unrecorded(raw_revision: Mapping[str, Any], uid: str) -> Candidate:
    revision_uid, number = _key(raw_revision)
    name = str(raw_revision["metadata"]["name"])
    return Candidate(uid, revision_uid, number, str(number), name, None)


def _key(raw_revision: Mapping[str, Any]) -> tuple[str, int]:
    return str(raw_revision["metadata"]["uid"]), int(raw_revision.get("revision", 0))


def _order(each: Candidate) -> tuple[int, str]:
    return each.number, each.observed_at or "~"
