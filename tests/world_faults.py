"""What can go wrong between a cluster and its ledger, drawn by chance: each kind of fault at a rate
of its own in each history, and counted when it happens.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ledger.answers import Expired, Throttled, TooLarge
from ledger.envelope import Envelope, parse
from ledger.errors import ClusterUnreachable, Forbidden, LogUnreachable, LogUnusable
from ledger.lines import LongLine
from ledger.model import Position, Record
from ledger.observe import Stream

if TYPE_CHECKING:
    from tests.world import Change

RATES = {
    # At each change that a watch tells.
    "watch ends": 0.1,
    "watch breaks off": 0.1,
    "expired within a watch": 0.05,
    "error within a watch": 0.5,
    "repeated": 0.2,
    "from the past": 0.2,
    "unreadable line": 0.05,
    "long line": 0.05,
    "silently dropped": 0.15,
    # At each request.
    "unreachable": 0.1,
    "throttled": 0.1,
    "forbidden": 0.1,
    "list fails": 0.2,
    "list expires": 0.4,
    "page too large": 0.3,
    "unreadable item": 0.05,
    # At each batch of the log.
    "log unreachable": 0.05,
    "log unsure": 0.05,
    # At each turn of trouble, about every three minutes.
    "record twice": 0.3,
    "record lost": 0.15,
    "clock jumps": 0.2,
    "killed": 0.4,
    "stopped": 0.2,
    "second watcher": 0.2,
    # For a whole history.
    "history is over": 0.0,
}
"""The highest rate of each kind of fault."""


UNREADABLE = (
    b"",
    b"\xff\x00",
    b'{"type":"ADDED"}',
    b'{"type":"MODIFIED","object":{"metadata":{"resourceVersion":"7","name":"web-0"}}}',
)
"""Lines that are no change; the empty one stands for the line itself, cut short."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a watch tells of one change, and whether it then ends."""

    lines: Sequence[bytes | LongLine]
    ends: bool = False
    ending: Exception | None = None


@dataclass
class Faults:
    """The faults of one history; `happened` counts them."""

    rng: random.Random
    rates: dict[str, float]
    happened: Counter[str] = field(default_factory=Counter)
    clock_seconds: float = 0.0
    hidden: set[tuple[str, int]] = field(default_factory=set)
    """(uid, version) of the changes that a watch passed over in silence."""

    is_over: bool = False
    _refused_until: dict[str, tuple[float, Exception]] = field(default_factory=dict)

    @classmethod
    def drawn(cls, rng: random.Random) -> Faults:
        """A tenth of the histories are quiet; in the others each fault is there or not."""
        share = rng.choice((0.0, 0.1, 0.2, 0.2, 0.3, 0.3, 0.5, 0.5, 0.7, 1.0))
        rates = {
            name: rng.random() * highest if rng.random() < share else 0.0
            for name, highest in RATES.items()
        }
        return cls(rng, rates)

    def strikes(self, name: str) -> bool:
        """Whether this fault happens now."""
        if self.is_over or not self.rates[name] or self.rng.random() >= self.rates[name]:
            return False
        self.happened[name] += 1
        return True

    def refuse_list(self, stream: Stream, *, is_continued: bool, limit: int) -> None:
        """Raises what stands in the way of a list, if anything does."""
        self._refuse(stream)
        if is_continued and self.strikes("list expires"):
            raise Expired("the provided continue parameter is too old")
        if self.strikes("list fails"):
            raise ClusterUnreachable("Error from server: it answered 500")
        if limit > 1 and self.strikes("page too large"):
            raise TooLarge("a page is too large")

    def refuse_watch(self, stream: Stream) -> None:
        """Raises what stands in the way of a watch, if anything does."""
        self._refuse(stream)

    def _refuse(self, stream: Stream) -> None:
        now = asyncio.get_running_loop().time()
        until, wrong = self._refused_until.get(stream.key, (0.0, None))
        if wrong is None or now >= until:
            wrong = self._refusal()
            if wrong is None:
                return
            seconds = self.rng.choice((0.0, 5.0, 60.0, 400.0)) * self.rng.random()
            self._refused_until[stream.key] = (now + seconds, wrong)
        if not self.is_over:
            raise wrong

    def _refusal(self) -> Exception | None:
        if self.strikes("unreachable"):
            return ClusterUnreachable("connection refused")
        if self.strikes("throttled"):
            return Throttled("Too many requests", after_seconds=self.rng.random() * 20)
        if self.strikes("forbidden"):
            return Forbidden("Error from server (Forbidden)")
        return None

    def item(self, raw: dict[str, Any]) -> dict[str, Any]:
        """A list's item, or what is none."""
        return {"metadata": {"name": "broken"}} if self.strikes("unreadable item") else raw

    def breaks_now(self) -> bool:
        """Whether an idle watch breaks off."""
        return self.strikes("watch breaks off")

    def break_off(self) -> Exception:
        """A connection that is gone."""
        return ClusterUnreachable("the connection was reset")

    def told(self, stream: Stream, change: Change, past: Sequence[Change]) -> Told:
        """How a watch tells one change."""
        line = change.line()
        if change.change != "ADDED" and self.strikes("silently dropped"):
            self.hidden.add((change.uid, change.version))
            return Told(())
        if self.strikes("unreadable line"):
            return Told((self.rng.choice(UNREADABLE) or line[:-9],))
        if self.strikes("long line"):
            return Told((LongLine(5_000_000, "ab" * 32),))
        if self.strikes("expired within a watch"):
            return Told((error_line(410),), ends=True)
        if self.strikes("error within a watch"):
            return Told((error_line(500),), ends=True)
        if self.strikes("watch ends"):
            return Told((line,) if self.rng.random() < 0.5 else (), ends=True)
        if self.strikes("watch breaks off"):
            return Told((line,) if self.rng.random() < 0.5 else (), ending=self.break_off())
        if self.strikes("repeated"):
            return Told((line, line))
        if past and self.strikes("from the past"):
            start = self.rng.randrange(len(past))
            return Told((line, *(other.line() for other in past[start : start + 4])))
        return Told((line,))


def error_line(code: int) -> bytes:
    """The ERROR line of a watch."""
    status = {"kind": "Status", "code": code, "message": "too old" if code == 410 else "etcd"}
    return json.dumps({"type": "ERROR", "object": status}).encode()


@dataclass
class Records:
    """The log that all processes of a history share, and what was taken out of it."""

    faults: Faults
    values: list[bytes] = field(default_factory=list)
    lost: list[bytes] = field(default_factory=list)
    _refused_until: float = 0.0

    def lose(self) -> None:
        """An acknowledged record vanishes."""
        if self.values and self.faults.strikes("record lost"):
            index = self.faults.rng.randrange(max(0, len(self.values) - 40), len(self.values))
            self.lost.append(self.values.pop(index))

    def repeat(self) -> None:
        """A record comes once more."""
        if self.values and self.faults.strikes("record twice"):
            self.values.append(self.faults.rng.choice(self.values))

    def lost_numbers(self) -> set[tuple[str, int]]:
        """(instance, sequence) of the records that are gone while a later one of their instance is
        there.
        """
        there: dict[str, set[int]] = {}
        for value in self.values:
            document = json.loads(value)
            there.setdefault(document["instance"], set()).add(document["sequence"])
        gone = set()
        for value in self.lost:
            document = parse(value)
            numbers = there.get(document.instance, set())
            if document.sequence not in numbers and max(numbers, default=0) > document.sequence:
                gone.add((document.instance, document.sequence))
        return gone

    def refuse(self, now: float) -> None:
        """Raises LogUnreachable for a while, now and then."""
        if now >= self._refused_until and self.faults.strikes("log unreachable"):
            self._refused_until = now + self.faults.rng.choice((1.0, 10.0, 200.0))
        if now < self._refused_until and not self.faults.is_over:
            raise LogUnreachable("the log is away")


@dataclass
class Edge:
    """One process's way to the log; `is_dead` once the process was killed."""

    records: Records
    is_dead: bool = False

    async def append(self, envelopes: Sequence[Envelope]) -> Position:
        """As ledger.log.Log.append."""
        faults, values = self.records.faults, [envelope.value for envelope in envelopes]
        await self._wait()
        self.records.refuse(asyncio.get_running_loop().time())
        is_unsure = faults.strikes("log unsure")
        if is_unsure:
            values = values[: faults.rng.randint(1, len(values))]
        self.records.values += values
        await self._wait()
        if is_unsure:
            raise LogUnreachable("the log did not acknowledge in time")
        return await self.head()

    async def _wait(self) -> None:
        await asyncio.sleep(self.records.faults.rng.random() * 0.05)
        if self.is_dead:
            raise LogUnusable("this process was killed")

    async def read(self, after: Position, limit: int) -> list[Record]:
        """As ledger.log.Log.read."""
        start = after + 1
        part = self.records.values[start : start + limit]
        return [Record(Position(start + i), value) for i, value in enumerate(part)]

    async def head(self) -> Position:
        """As ledger.log.Log.head."""
        return Position(len(self.records.values) - 1)

    async def close(self) -> None:
        """As ledger.log.Log.close."""
