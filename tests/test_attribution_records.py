"""Audit logs have holes, repeat themselves and come in any order: whom a ledger then names."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.canonical import from_bytes, to_bytes
from ledger.envelope import parse
from tests.authors import Author, Change, authors, recorded_changes, told
from tests.faults import row
from tests.invariants import examine
from tests.lab.recording import STREAMS
from tests.normal_form import normal_form
from tests.real import answer
from tests.recorded import folded, values_of

WRITERS = STREAMS / "writers.jsonl.zst"
RANK = {"exact": 0, "strong": 1, "probable": 2, "claimed": 3}
TIMES = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def ordered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger that had every audit record, once and in order."""
    return folded(values_of(WRITERS), tmp_path_factory.mktemp("ordered") / "l.db")


@pytest.fixture(scope="module")
def whole(ordered: Path) -> dict[Change, Author]:
    """Whom that ledger names."""
    return authors(ordered)


def test_the_recorded_writers_have_their_authors(whole: dict[Change, Author]) -> None:
    expected = recorded_changes(WRITERS)
    result = told(whole, expected)
    assert (result.wrong, result.unnamed) == ([], [])
    # An eviction's answer says no uid, and who deletes at once does not leave the first version.
    assert result.by_basis["probable"] == 2
    assert result.by_basis["exact"] == len(expected) - 2


def is_audit(value: bytes) -> bool:
    """Whether a record is an audit record."""
    return parse(value).fact == "audit"


def truncated(value: bytes) -> bytes:
    """The record that the same request leaves where the policy logs no bodies."""
    envelope = from_bytes(value)
    body = envelope["data"]
    for name in ("version", "generation", "replicas", "touched", "removed", "cut", "apply"):
        body.pop(name, None)
    for name in ("annotations", "requestVersion", "propagation", "deleted"):
        body.pop(name, None)
    if body["verb"] not in ("delete", "update"):
        body.pop("uid", None)
    body["level"] = "Metadata"
    return to_bytes(envelope)


def displaced(values: Sequence[bytes], dice: random.Random, *, by: int) -> list[bytes]:
    """The records with each audit record up to `by` places away from its own."""
    places = [
        index + (dice.uniform(-by, by) if is_audit(value) else 0)
        for index, value in enumerate(values)
    ]
    return [values[index] for index in sorted(range(len(values)), key=places.__getitem__)]


@row("A3", how="audit records displaced by up to 1,000 places, some delivered twice", part="real")
@pytest.mark.timeout(300)
@TIMES
@given(seed=st.integers(0, 2**32), batch=st.sampled_from((1, 7, 100, 5000)))
def test_a03_audit_records_in_any_order_give_the_same_authors(
    ordered: Path,
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    batch: int,
) -> None:
    dice = random.Random(seed)
    values = values_of(WRITERS)
    twice = [*values, *(v for v in values if is_audit(v) and dice.random() < 0.2)]
    mixed = displaced(twice, dice, by=1000)
    path = folded(mixed, tmp_path_factory.mktemp("mixed") / "l.db", batch=batch)
    assert authors(path) == authors(ordered)
    mixed_up, expected = normal_form(path, times=True), normal_form(ordered, times=True)
    for table in ("actions", "attributions", "statements", "revisions", "rollouts"):
        assert mixed_up[table] == expected[table], table
    examine(mixed, path)


def reusing(value: bytes, audit_id: str) -> bytes:
    """The record that the same request leaves when its client sends this Audit-ID."""
    envelope = from_bytes(value)
    envelope["id"] = f"{audit_id}/{envelope['data']['stage']}"
    return to_bytes(envelope)


@pytest.mark.parametrize("batch", [1, 100, 5000])
def test_an_audit_id_that_is_used_again_hides_nobodys_request(
    ordered: Path, tmp_path: Path, batch: int
) -> None:
    # All of them at once: whoever chooses an id that is in use is one among these.
    everybody = "00000000-0000-0000-0000-000000000000"
    values = [reusing(v, everybody) if is_audit(v) else v for v in values_of(WRITERS)]
    twice = displaced(values + [v for v in values if is_audit(v)], random.Random(batch), by=1000)
    path = folded(twice, tmp_path / "l.db", batch=batch)
    assert authors(path) == authors(ordered)
    [(requests,)] = answer(ordered, "select count(*) from actions")
    assert answer(path, "select count(*), count(distinct audit_id) from actions") == [(requests, 1)]
    questions = "select received_at, user, verb, name, code, touched from actions order by 1, 2, 3"
    assert answer(path, questions) == answer(ordered, questions)
    examine(twice, path)


@row("A1", how="audit records dropped one by one and in batches, or cut to Metadata", part="real")
@pytest.mark.timeout(300)
@TIMES
@given(seed=st.integers(0, 2**32))
def test_a01_what_is_missing_lowers_grades_and_names_nobody_else(
    whole: dict[Change, Author], tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    dice = random.Random(seed)
    values = values_of(WRITERS)
    dropping, cutting = dice.choice((0.0, 0.1, 0.5)), dice.choice((0.0, 0.3, 1.0))
    start = dice.randrange(len(values))
    batch = range(start, start + dice.choice((0, 100)))
    left: list[bytes] = []
    for index, value in enumerate(values):
        if not is_audit(value):
            left.append(value)
        elif index not in batch and dice.random() >= dropping:
            left.append(truncated(value) if dice.random() < cutting else value)
    mixed = displaced(left, dice, by=1000)
    path = folded(mixed, tmp_path_factory.mktemp("less") / "l.db")
    _check_only_less(authors(path), whole)
    examine(mixed, path)


def _check_only_less(found: dict[Change, Author], whole: dict[Change, Author]) -> None:
    """No other name than before, on no better basis."""
    for change, (who, basis) in found.items():
        known = whole.get(change)
        if basis == "claimed":
            continue
        assert known is not None, change
        assert known.who == who, (change, who, known)
        assert RANK[basis] >= RANK[known.basis], (change, basis, known)
