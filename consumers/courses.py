"""The course of one rollout: what it was doing at each turn of its set and pods; pure.

Turns of different kinds are ordered by when they were seen: across kinds nothing better is
promised. Each turn is judged by the same function that judges the present.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from consumers.outlook import Outlook
from ledger.rollout.pods import PodState
from ledger.rollout.refusals import Refusal
from ledger.rollout.sets import SetStatus
from ledger.rollout.verdict import Absences, Blocker, Phase, Verdict, verdict


@dataclass(frozen=True, slots=True)
class SetTurn:
    """The StatefulSet as seen at a time. `settled` is the controller's own count saying so."""

    at: str
    version: int
    status: SetStatus
    settled: bool


@dataclass(frozen=True, slots=True)
class PodTurn:
    """A pod as seen at a time; a `state` of None is its end."""

    at: str
    version: int
    uid: str
    state: PodState | None


@dataclass(frozen=True, slots=True)
class RefusalTurn:
    """A refusal as seen at a time."""

    at: str
    version: int
    refusal: Refusal


Turn = SetTurn | PodTurn | RefusalTurn


@dataclass(frozen=True, slots=True)
class Span:
    """A rollout of a set to the revision `name`: from the spec write that caused it (None: not
    seen) until the one that ended it (None: it goes on, and `now` is the greatest record time).
    """

    set_uid: str
    set_name: str
    name: str
    since: str | None
    until: str | None
    now: str


@dataclass(frozen=True, slots=True)
class Course:
    """How far a rollout came: its phase at the end of the span, when it first stalled, what it was
    last stuck on, when it was complete, and the last judgement (None when the set was not yet seen
    on it).
    """

    phase: Phase
    stalled_at: str | None = None
    blocker: Blocker | None = None
    finished_at: str | None = None
    verdict: Verdict | None = None


def course_of(span: Span, turns: Iterable[Turn]) -> Course:
    """The course of a rollout, from the turns of its span and the last ones before it."""
    return _Journey(span).course(sorted(turns, key=_order))


def _order(turn: Turn) -> tuple[str, int]:
    return turn.at, turn.version


@dataclass(slots=True)
class _Journey:
    """The state of the set and its pods while the turns are gone through."""

    span: Span
    status: SetStatus | None = None
    pods: dict[str, PodState] = field(default_factory=dict)
    """By name."""

    names: dict[str, str] = field(default_factory=dict)
    """Of every pod the set had in the span, by uid."""

    refusals: dict[str, Refusal] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    """When the last pod of a name ended."""

    written_at: str | None = None
    """When the newest spec write was seen."""

    ran: set[int] = field(default_factory=set)
    """Ordinals that were ready on the revision at some time."""

    settled_at: str | None = None
    stalled_at: str | None = None
    blocker: Blocker | None = None
    last: Verdict | None = None
    due_at: str | None = None
    """When something may change by the passing of time alone."""

    outlook: Outlook = field(init=False)
    quiet_at: str | None = None
    """The last time, when it needed no judgement."""

    def __post_init__(self) -> None:
        self.outlook = Outlook(self.span.set_name)

    def course(self, turns: Sequence[Turn]) -> Course:
        """Go through the turns."""
        end = self.span.until or self.span.now
        for at, group in groupby(turns, key=lambda turn: turn.at):
            if self.span.until is not None and at >= end:
                break
            if finished := self._judge_due(at):
                return finished
            self._take_all(list(group))
            if self.span.since is not None and at < self.span.since:
                continue
            if not self._is_quiet(at) and (finished := self._judge(at)):
                return finished
        return self._judge_due(end) or self._judge(end) or self._left(end)

    def _take_all(self, turns: Sequence[Turn]) -> None:
        if self.quiet_at is not None and any(map(self._leaves, turns)):
            self._judge(self.quiet_at)
        for turn in turns:
            self._take(turn)

    def _leaves(self, turn: Turn) -> bool:
        """Whether nothing can be judged any more from here on."""
        return isinstance(turn, SetTurn) and turn.status.update_revision != self.span.name

    def _take(self, turn: Turn) -> None:
        match turn:
            case SetTurn():
                self._take_set(turn)
            case PodTurn():
                self._take_pod(turn)
            case RefusalTurn():
                self.refusals[turn.refusal.pod] = turn.refusal

    def _take_set(self, turn: SetTurn) -> None:
        if self.status is None or self.status.generation != turn.status.generation:
            self.written_at = turn.at
        self.status = turn.status
        self.outlook.see_set(turn.status, self._wanted_at(), self.pods, self.gone)
        if turn.settled and self._is_on_it() and not self._is_before(turn.at):
            self.settled_at = self.settled_at or turn.at

    def _take_pod(self, turn: PodTurn) -> None:
        state = turn.state
        if state is None or state.owner_uid != self.span.set_uid:
            self._lose_pod(turn)
            return
        # Of two pods of one name the later one is there: the end of the other was not seen in time.
        self.pods[state.name], self.names[turn.uid] = state, state.name
        self.outlook.see_pod(state.ordinal, state, "")
        if state.ready and state.revision == self.span.name and state.ordinal is not None:
            self.ran.add(state.ordinal)

    def _lose_pod(self, turn: PodTurn) -> None:
        name = self.names.get(turn.uid, "")
        if name in self.pods and self.pods[name].uid == turn.uid:
            ordinal = self.pods.pop(name).ordinal
            self.gone[name] = turn.at
            self.outlook.see_pod(ordinal, None, turn.at)

    def _judge_due(self, at: str) -> Course | None:
        """What the passing of time alone has changed by then."""
        while self.due_at is not None and self.due_at <= at:
            due_at = self.due_at
            if finished := self._judge(due_at):
                return finished
            if self.due_at is not None and self.due_at <= due_at:
                break
        return None

    def _is_quiet(self, at: str) -> bool:
        """Whether the present state needs no judgement."""
        if not self._can_judge() or self.refusals or not self.outlook.is_quiet(at):
            return False
        self.quiet_at, self.due_at = at, self.outlook.due_at()
        return True

    def _judge(self, at: str) -> Course | None:
        """Judge the present state; a course when the rollout is complete."""
        if self.status is None or not self._can_judge():
            return None
        refusals = list(self.refusals.values())
        absences = Absences(self.span.set_name, refusals, self._wanted_at(), self.gone)
        self.last = verdict(self.status, list(self.pods.values()), absences, now=at)
        self.quiet_at, self.due_at = None, self.last.due_at
        if self.last.phase == "stalled":
            self.stalled_at = self.stalled_at or at
            self.blocker = self.last.blockers[0]
        if self.last.phase == "complete":
            return Course("complete", self.stalled_at, self.blocker, at, self.last)
        return None

    def _can_judge(self) -> bool:
        return self._is_on_it() and bool(self.names)

    def _wanted_at(self) -> str:
        return max(self.span.since or "", self.written_at or "")

    def _left(self, end: str) -> Course:
        """What is to be said of a rollout that no turn has shown complete."""
        if self.settled_at is not None and self._may_have_settled():
            # Pods and set are watched apart: a rollout overtaken at once may be complete only in
            # the controller's own count.
            return Course("complete", self.stalled_at, self.blocker, self.settled_at, self.last)
        phase: Phase = self.last.phase if self.last else "progressing"
        return Course(phase, self.stalled_at, self.blocker, None, self.last)

    def _may_have_settled(self) -> bool:
        if not self.names:
            return True
        return self.status is not None and all(each in self.ran for each in self.status.ordinals)

    def _is_on_it(self) -> bool:
        return self.status is not None and self.status.update_revision == self.span.name

    def _is_before(self, at: str) -> bool:
        return self.span.since is not None and at < self.span.since
