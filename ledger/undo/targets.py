"""Which revision an undo goes back to, chosen among all that ever were; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from ledger.errors import LedgerError, NotRecorded, UsageError
from ledger.model import parse_timestamp, timestamp
from ledger.undo.candidates import Candidate, by_number

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


def choose(wish: Wish, found: Sequence[Candidate], now: Now) -> Candidate:
    """The revision that is meant.

    Raises LedgerError, NotRecorded or UsageError, in kubectl's words where it has some.
    """
    uid = _incarnation(wish, found, now)
    mine = sorted((each for each in found if each.workload_uid == uid), key=by_number)
    match wish.to:
        case ToRevision(word) if word.lstrip("+") != "0":
            return _numbered(wish, word, mine, found)
        case ToTime(at):
            return _at(wish, at, mine if wish.incarnation else found)
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
        earlier = [
            e for e in mine if by_number(e) < by_number(running) and not e.is_same_as(running)
        ]
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
        last = max(seen, key=lambda each: (str(each.observed_at), each.number))
        # The pages of one list are seen one after the other, by name: the number tells which was
        # the newest of those that were there.
        there = [e for e in seen if e.workload_uid == last.workload_uid and _is_there(e, at)]
        newest = max(there, key=by_number, default=last)
        _refuse_unrecorded(wish, at, newest, found)
        if newest.deleted_at is None or newest.deleted_at > at:
            return newest
    first = min((each.observed_at for each in found if each.observed_at), default=None)
    raise NotRecorded(
        f"{wish.namespace}/{wish.name} is not known to have been there at {at}",
        hint=f"it was first recorded at {first}" if first else "nothing of it is recorded",
    )


def _is_there(each: Candidate, at: str) -> bool:
    return each.pruned_at is None or each.pruned_at > at


def _refuse_unrecorded(wish: Wish, at: str, newest: Candidate, found: Sequence[Candidate]) -> None:
    """The cluster may have a revision from before that time that the ledger does not know."""
    for each in found:
        is_later = each.workload_uid == newest.workload_uid and each.number > newest.number
        if is_later and not each.is_recorded and each.created_at and each.created_at <= at:
            raise NotRecorded(
                f"revision {each.number} of {wish.namespace}/{wish.name} was made at "
                f"{each.created_at} and is not recorded: what ran at {at} is not known",
                hint="--to-revision takes a number that you know",
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
