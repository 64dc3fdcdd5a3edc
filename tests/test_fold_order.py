"""Derived rows are a function of the set of records, not of their order or their batches."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ledger.canonical import to_bytes
from ledger.envelope import parse
from ledger.model import KIND_BY_PLURAL, parse_timestamp
from ledger.observe import Observer, Stream
from ledger.redaction import Redactor
from tests.cases import case
from tests.faults import row
from tests.invariants import examine
from tests.lab.recording import STREAMS
from tests.normal_form import normal_form
from tests.recorded import KEY, KEY_ID, folded, values_of


def shuffled(values: Sequence[bytes], dice: random.Random) -> list[bytes]:
    """The values with each object's order kept, kinds interleaved at random, and some delivered
    twice.
    """
    groups: dict[str, list[bytes]] = {}
    for value in values:
        groups.setdefault(_group(value), []).append(value)
    waiting = [list(reversed(group)) for group in groups.values()]
    mixed: list[bytes] = []
    while waiting:
        group = dice.choice(waiting)
        for _ in range(min(len(group), dice.choice((1, 1, 3, 10)))):
            mixed.append(group.pop())
            if dice.random() < 0.05:
                mixed.append(dice.choice(mixed))
        if not group:
            waiting.remove(group)
    return mixed


@cache
def _group(value: bytes) -> str:
    """Whose order a record belongs to: its object's, or its watcher's; the place of an audit record
    or a sealed original says nothing.
    """
    document = parse(value)
    if document.fact in ("audit", "sealed"):
        return document.id
    return document.objectuid or document.instance


def with_relists(
    values: Sequence[bytes], dice: random.Random, *, relists: int, after: int = 0
) -> list[bytes]:
    """The values with complete lists of a second watcher in between, as after an expired watch;
    none before the first `after` values.
    """
    observer = Observer("", "feed0002", Redactor("secrets", KEY_ID, KEY))
    at = sorted(dice.sample(range(after, len(values)), relists))
    mixed: list[bytes] = []
    seen = _Seen()
    for index, value in enumerate(values):
        while at and at[0] == index:
            at.pop(0)
            kind = dice.choice(("statefulsets", "controllerrevisions", "pods"))
            mixed += _relist(observer, kind, seen, mixed[-1]) if mixed else []
        seen.take(value)
        mixed.append(value)
    return mixed


@dataclass
class _Seen:
    """What is alive, and how new a list of each kind must be: no newer, for of other kinds more may
    have arrived already.
    """

    alive: dict[str, bytes] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)

    def take(self, value: bytes) -> None:
        """One more record."""
        document = parse(value)
        if document.fact == "coverage":
            version = (document.data or {}).get("resource_version")
            kind = (document.data or {}).get("kind", "")
            self._reach(kind, int(version or 0))
            return
        if document.fact == "state":
            self.alive[document.objectuid] = value
        elif document.fact == "deleted":
            self.alive.pop(document.objectuid, None)
        else:
            return
        self._reach(document.ref.plural, document.version_number)

    def _reach(self, plural: str, version: int) -> None:
        self.versions[plural] = max(version, self.versions.get(plural, 1))


def _relist(observer: Observer, plural: str, seen: _Seen, latest: bytes) -> list[bytes]:
    latest_document = parse(latest)
    observer.cluster = latest_document.source.removeprefix("/clusters/")
    at = parse_timestamp(latest_document.time)
    stream, snapshot = Stream(KIND_BY_PLURAL[plural], "*"), observer.next_snapshot()
    listed = [value for value in seen.alive.values() if parse(value).ref.plural == plural]
    version = seen.versions.get(plural, 1)
    begin = observer.coverage("snapshot-begin", stream, at=at, snapshot=snapshot)
    states = []
    for value in listed:
        data = parse(value).data
        sealed = observer.state(to_bytes(data), kind=stream.kind, at=at, snapshot=snapshot)
        assert sealed is not None
        states.append(sealed.value)
    end = observer.coverage(
        "snapshot-end",
        stream,
        at=at,
        snapshot=snapshot,
        count=len(states),
        resource_version=str(version),
    )
    return [begin.value, *states, end.value]


@pytest.mark.parametrize("name", ["demo", "rollouts", "tutorial", "volumes", "writers"])
def test_a_record_at_a_time_gives_what_all_at_once_give(name: str, tmp_path: Path) -> None:
    values = values_of(STREAMS / f"{name}.jsonl.zst")
    forms = [
        normal_form(folded(values, tmp_path / f"{batch}.db", batch=batch), times=True)
        for batch in (1, len(values))
    ]
    assert forms[0] == forms[1]


@case(69, stream="recorded")
@pytest.mark.timeout(600)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), batch=st.sampled_from((7, 100, 500, 5000)))
def test_any_interleaving_gives_the_same_ledger(
    tutorial: Path, tmp_path_factory: pytest.TempPathFactory, seed: int, batch: int
) -> None:
    folder = tmp_path_factory.mktemp("fold")
    values = values_of(tutorial)
    expected = _expected(tutorial, tmp_path_factory)
    mixed = shuffled(values, random.Random(seed))
    assert normal_form(folded(mixed, folder / "l.db", batch=batch), times=True) == expected


@row("C10", how="a state moved behind its successors in the log, at 12 places", part="real")
def test_c10_a_state_that_comes_late_is_kept_and_changes_nothing_that_is_newer(
    tutorial: Path, tmp_path: Path
) -> None:
    values = values_of(tutorial)
    states: dict[str, list[int]] = {}
    for index, value in enumerate(values):
        document = parse(value)
        if document.fact == "state" and document.ref.plural != "events":
            states.setdefault(document.objectuid, []).append(index)
    several = [indexes for indexes in states.values() if len(indexes) > 2]
    newest = _newest(folded(values, tmp_path / "ordered.db"))
    for number, indexes in enumerate(random.Random(10).sample(several, 12)):
        early, late = indexes[-3], indexes[-1]
        mixed = [*values[:early], *values[early + 1 : late + 1], values[early], *values[late + 1 :]]
        path = folded(mixed, tmp_path / f"{number}.db")
        assert _newest(path) == newest
        examine(mixed, path)
        with closing(sqlite3.connect(path)) as ledger:
            question = "select disposition from observations where position = ?"
            assert ledger.execute(question, (late,)).fetchone() == ("late",)


def _newest(ledger: Path) -> list[tuple[str, int]]:
    """The resourceVersion each object is known at."""
    with closing(sqlite3.connect(ledger)) as connection:
        return connection.execute(
            "select uid, resource_version from objects order by uid"
        ).fetchall()


@case(71, stream="recorded")
@pytest.mark.timeout(600)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32), relists=st.integers(1, 6))
def test_relists_in_between_give_the_same_ledger(
    tutorial: Path, tmp_path_factory: pytest.TempPathFactory, seed: int, relists: int
) -> None:
    folder = tmp_path_factory.mktemp("fold")
    dice = random.Random(seed)
    mixed = shuffled(with_relists(values_of(tutorial), dice, relists=relists), dice)
    expected = {
        k: v for k, v in _expected(tutorial, tmp_path_factory).items() if k != "revision_times"
    }
    got = normal_form(folded(mixed, folder / "l.db"), times=True)
    assert {k: v for k, v in got.items() if k != "revision_times"} == expected


@pytest.mark.timeout(600)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example(start=122)
@given(start=st.integers(30, 1400))
def test_a_watch_that_starts_in_the_middle_tells_the_rest_alike(
    tutorial: Path, tmp_path_factory: pytest.TempPathFactory, start: int
) -> None:
    values = values_of(tutorial)
    whole = _triggers(_expected(tutorial, tmp_path_factory))
    path = tmp_path_factory.mktemp("fold") / "l.db"
    late = _triggers(normal_form(folded(from_the_middle(values, start), path)))
    numbers = {(workload, number) for workload, _, number in late}
    for key, (trigger, undo_of) in late.items():
        if trigger in ("found", "unseen"):
            continue
        known = whole[key]
        if (trigger, known[0]) == ("return", "undo"):
            # Its spec write lay before the first list: only the first number afterwards may say so.
            assert key[2] == min(_watched(late, key[0]))
        elif known[1] is None or (key[0], known[1]) in numbers:
            assert (trigger, undo_of) == known, key


def from_the_middle(values: Sequence[bytes], start: int) -> list[bytes]:
    """What a watcher would have recorded that first listed everything just before `start`."""
    observer = Observer("", "feed0003", Redactor("secrets", KEY_ID, KEY))
    seen = _Seen()
    for value in values[:start]:
        seen.take(value)
    listed: list[bytes] = []
    for plural in KIND_BY_PLURAL:
        listed += _relist(observer, plural, seen, values[start - 1])
    rest = [value for value in values[start:] if parse(value).fact in ("state", "deleted", "audit")]
    return listed + rest


def _watched(told: dict[tuple[object, ...], tuple[object, object]], workload: object) -> list[int]:
    """The numbers of a workload that were not there when the watch began."""
    return [
        int(str(number))
        for (owner, _, number), (trigger, _) in told.items()
        if owner == workload and trigger not in ("found", "unseen")
    ]


def _triggers(
    form: dict[str, list[tuple[object, ...]]],
) -> dict[tuple[object, ...], tuple[object, object]]:
    """(workload, revision, number) -> (trigger, undo_of)."""
    return {row[:3]: (row[6], row[7]) for row in form["revisions"]}


_EXPECTED: dict[Path, dict[str, list[tuple[object, ...]]]] = {}


def _expected(
    recording: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[tuple[object, ...]]]:
    if recording not in _EXPECTED:
        path = tmp_path_factory.mktemp("expected") / "l.db"
        _EXPECTED[recording] = normal_form(folded(values_of(recording), path), times=True)
    return _EXPECTED[recording]
