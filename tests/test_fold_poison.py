"""What cannot be read is kept in `rejects` with its reason, and the next record goes on."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consumers.follow import Follower
from ledger.errors import LogUnusable
from ledger.model import Position, Record
from ledger.store import Ledger
from tests.faults import row
from tests.invariants import examine
from tests.normal_form import normal_form
from tests.recorded import Values, folded, values_of

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "u-1/7/0123456789abcdef",
    "source": "/clusters/c-1",
    "type": "rollout-ledger.state.v1",
    "subject": "apps/statefulsets/default/web",
    "time": "2026-11-01T00:00:00.000000Z",
    "epoch": 1,
    "instance": "feed0001",
    "sequence": 1,
    "objectuid": "u-1",
    "resourceversion": "7",
    "data": {"kind": "StatefulSet", "metadata": {"name": "web"}, "spec": {}},
}


def changed(**attributes: Any) -> bytes:
    return json.dumps({k: v for k, v in (GOOD | attributes).items() if v is not None}).encode()


def deep(levels: int) -> Any:
    nested: Any = 1
    for _ in range(levels):
        nested = {"a": nested}
    return nested


POISON = {
    "nothing": b"",
    "random bytes": bytes(range(256)),
    "truncated JSON": changed()[:-9],
    "not an object": b"[1,2]",
    "a bare NaN": b'{"specversion": NaN}',
    "a lone surrogate": b'{"specversion": "\\ud800"}',
    "duplicate keys": changed()[:-1] + b',"id":"other"}',
    "duplicate keys in the data": changed(data=None)[:-1] + b',"data":{"a":1,"a":2}}',
    "100 deep": changed(data=deep(120)),
    "100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "somebody else's document": changed(type="com.example.created"),
    "no source": changed(source="elsewhere"),
    "no sequence": changed(sequence=None),
    "a huge sequence": changed(sequence=2**70),
    "a time of another kind": changed(time="yesterday"),
    "a time without a zone": changed(time="2026-11-01T00:00:00"),
    "a subject that is no object": changed(subject="apps/daemonsets/default/web"),
    "a subject with too few parts": changed(subject="apps"),
    "a name with a newline": changed(subject="apps/statefulsets/default/we\nb"),
    "a resourceversion that is no number": changed(resourceversion="7a"),
    "a resourceversion beyond all numbers": changed(resourceversion="9" * 30),
    "an id of another object": changed(id="x/y/z"),
    "a state without data": changed(data=None),
    "data that is a list": changed(data=[1]),
    "a StatefulSet without generation or spec": changed(data={"metadata": {"labels": []}}),
    "a template that is text": changed(
        data={"metadata": {}, "spec": {"template": "x", "replicas": 1}}
    ),
    "a coverage mark without its stream": changed(
        type="rollout-ledger.coverage.v1", subject="coverage/*", data={"mark": "snapshot-end"}
    ),
    "a gap without a cause": changed(
        type="rollout-ledger.gap.v1", subject="gap/*", data={"state": "open"}
    ),
    "a record of another cluster": changed(source="/clusters/c-2"),
}


SEEN_AND_REJECTED = "select position from observations intersect select position from rejects"


@dataclass(frozen=True)
class Spoilt:
    """A log with poison in it, its ledger, where each poison lies, and how many bytes it has."""

    values: list[bytes]
    ledger: Path
    places: dict[str, tuple[int, int]]


@pytest.fixture(scope="module")
def spoilt(tutorial: Path, tmp_path_factory: pytest.TempPathFactory) -> Spoilt:
    """A ledger folded from a log with all the poison in it, twenty good records after each."""
    values = list(values_of(tutorial))
    cluster = json.loads(values[0])["source"].encode()
    places: dict[str, tuple[int, int]] = {}
    for index, (name, poison) in enumerate(POISON.items()):
        if name != "a record of another cluster":
            poison = poison.replace(b"/clusters/c-1", cluster)
        # Each is about an object of its own, or the second would be taken for a duplicate.
        poison = poison.replace(b"u-1", f"u-1{index:02}".encode())
        values.insert(400 + 21 * index, poison)
        places[name] = (400 + 21 * index, len(poison))
    return Spoilt(values, folded(values, tmp_path_factory.mktemp("poison") / "l.db"), places)


@pytest.mark.parametrize("name", POISON)
def test_poison_is_named_with_its_position(name: str, spoilt: Spoilt) -> None:
    path, places = spoilt.ledger, spoilt.places
    with sqlite3.connect(path) as connection:
        rejects = connection.execute("select position, bytes, reason from rejects").fetchall()
    found = {(position, size): reason for position, size, reason in rejects}
    assert found[places[name]]
    assert len(found) == len(POISON)


@row("K16", how="thirty kinds of poison among a log's good records", part="fake")
def test_k16_poison_is_kept_with_its_reason_and_the_records_around_it_are_as_if_it_were_not_there(
    spoilt: Spoilt, tutorial: Path, tmp_path: Path
) -> None:
    values = values_of(tutorial)
    clean = folded(values, tmp_path / "clean.db")
    forms = [normal_form(path) for path in (spoilt.ledger, clean)]
    kinds = ("revisions", "workloads")
    own = [
        {k: [r for r in form[k] if not str(r[0]).startswith("u-1")] for k in kinds}
        for form in forms
    ]
    assert own[0] == own[1]
    with sqlite3.connect(spoilt.ledger) as connection:
        leaves = connection.execute("select count(*) from leaves").fetchone()[0]
        both = connection.execute(SEEN_AND_REJECTED).fetchall()
    assert leaves == len(values) + len(POISON)
    # A state whose content cannot be read is seen and rejected: the object was there.
    assert len(both) == 4
    examine([value for at, value in enumerate(spoilt.values) if (at,) not in both])


def test_a_damaged_value_of_the_log_is_a_reject(tutorial: Path, tmp_path: Path) -> None:
    values = values_of(tutorial)[:50]

    class Damaged(Values):
        def read(self, after: Position, limit: int) -> list[Record]:
            return [
                Record(r.position, b"\x28\xb5\x2f\xfd!", "bad zstd frame")
                if r.position == 20
                else r
                for r in super().read(after, limit)
            ]

    with Ledger.open(tmp_path / "l.db") as ledger:
        assert Follower(Damaged(values), ledger).catch_up() == 50
        rows = ledger.rows("unreadable", {})
    assert [(row["position"], row["reason"]) for row in rows] == [(20, "bad zstd frame")]


@row("K14", how="record of a later format, or of a fact nobody knows", part="fake")
@pytest.mark.parametrize("kind", ["rollout-ledger.state.v2", "rollout-ledger.prophecy.v1"])
def test_k14_a_format_of_the_future_stops_the_fold_and_moves_nothing(
    kind: str, tutorial: Path, tmp_path: Path
) -> None:
    values = [*values_of(tutorial)[:10], changed(type=kind)]
    with Ledger.open(tmp_path / "l.db") as ledger:
        follower = Follower(Values(values), ledger)
        assert follower.step(10) == 10
        with pytest.raises(LogUnusable, match="does not know") as stopped:
            follower.step()
        assert "upgrade" in stopped.value.hint
        assert ledger.progress().position == 9
    examine(values[:10], tmp_path / "l.db")


@row("K15", how="attribute added to a record", part="fake")
def test_k15_an_unknown_attribute_is_no_poison(tutorial: Path, tmp_path: Path) -> None:
    values = list(values_of(tutorial))
    first = json.loads(values[0]) | {"futureattribute": "yes"}
    with Ledger.open(tmp_path / "l.db") as ledger:
        values[0] = json.dumps(first).encode()
        Follower(Values(values), ledger).catch_up()
        assert ledger.rows("reject_count", {})[0]["rejects"] == 0
    examine(values, tmp_path / "l.db")
