"""What must hold after any fault, whatever it was: one checker for every row of the fault matrix.

It reads the log's bytes and the ledger's rows by itself, so a mistake of the fold cannot hide.
I8 (nothing hangs) is each test's own: pytest ends a test after its timeout.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ledger.log.sqlite import LogFile
from ledger.merkle import Tree
from ledger.model import NOWHERE
from tests.recorded import folded

EXAMINED: list[str] = []
"""What was examined in this process; a row's test must add to it."""


def examine(
    values: Sequence[bytes] | Path, ledger: Path | None = None, *, secrets: Iterable[str] = ()
) -> None:
    """Assert I1 to I7 for a log and the ledger folded from it; without a ledger one is folded."""
    if isinstance(values, Path):
        values = values_of_log(values)
    with tempfile.TemporaryDirectory() as folder:
        path = ledger or folded(values, Path(folder) / "ledger.db")
        rows = _Rows(path)
        try:
            _check(values, rows)
        finally:
            rows.close()
        for secret in secrets:
            _refuse_secret(secret.encode(), values, path)
    EXAMINED.append(str(ledger or "folded"))


def values_of_log(path: Path) -> list[bytes]:
    """Every record's bytes, from a log.db."""
    found: list[bytes] = []
    with LogFile.open(path, writable=False) as log:
        while records := log.read(NOWHERE if not found else type(NOWHERE)(len(found) - 1), 5_000):
            found += [record.value for record in records]
    return found


class _Rows:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)

    def close(self) -> None:
        self._connection.close()

    def __call__(self, question: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(question).fetchall()


def _check(values: Sequence[bytes], rows: _Rows) -> None:
    (size, tree_size, frontier) = rows("select next_position, tree_size, frontier from progress")[0]
    entries = [hashlib.sha256(value).digest() for value in values[:size]]
    # I1: what the log acknowledged is in the ledger, as a record that was read or one that was not.
    assert size == len(values), f"I1: {len(values) - size} records are not folded"
    # A record whose content one part refuses stands in both.
    positions = rows("select position from observations union select position from rejects")
    assert [position for (position,) in sorted(positions)] == list(range(size)), "I1"
    # I2: of one object's resourceVersion one record counts, once for being and once for going.
    doubled = rows("""
        select object_id, resource_version, fact, count(*) from observations
        where object_id is not null and disposition in ('first', 'late')
        group by object_id, resource_version, fact having count(*) > 1""")
    assert not doubled, f"I2: {doubled}"
    # I3: what is known of an object is its highest resourceVersion.
    behind = rows("""
        select uid, objects.resource_version, max(observations.resource_version)
        from objects join observations on object_id = objects.id
        group by objects.id having objects.resource_version < max(observations.resource_version)""")
    assert not behind, f"I3: {behind}"
    # I4, I5: position, leaves and tree agree, and the tree is that of the log's bytes.
    leaves = rows("select position, entry from leaves order by position")
    assert leaves == list(enumerate(entries)), "I4: the leaves are not the log's records"
    grown = Tree().grown(entries)
    assert (grown.size, grown.to_bytes()) == (tree_size, frontier), (
        "I5: the tree does not recompute"
    )
    assert rows("pragma quick_check") == [("ok",)], "I5: the file is damaged"
    assert not rows("pragma foreign_key_check"), "I4: a row refers to nothing"
    _check_holes(values, rows)
    _check_generations(rows)


def _check_holes(values: Sequence[bytes], rows: _Rows) -> None:
    """I6: every hole in a watcher's count is a gap, and nothing else is."""
    rejected = {position for (position,) in rows("select position from rejects")}
    seen: defaultdict[str, set[int]] = defaultdict(set)
    for position, value in enumerate(values):
        if position not in rejected:
            document = json.loads(value)
            seen[document["instance"]].add(document["sequence"])
    missing = {
        (instance, number)
        for instance, numbers in seen.items()
        for number in set(range(1, max(numbers) + 1)) - numbers
        if max(numbers) < 1_000_000
    }
    told: set[tuple[str, int]] = set()
    for (detail,) in rows("select detail from gaps where cause = 'sequence-jump'"):
        hole = json.loads(detail)
        told |= {(hole["instance"], n) for n in range(hole["first"], hole["last"] + 1)}
    assert missing == told, f"I6: holes {sorted(missing - told)}, wrongly told {told - missing}"


def _check_generations(rows: _Rows) -> None:
    """I6: every jump of a set's generation lies in a gap."""
    jumps = rows("""
        select uid, name, before, steps.generation, before_version, steps.resource_version
        from (
            select object_id, generation, resource_version,
                lag(generation) over object as before,
                lag(resource_version) over object as before_version
            from set_states window object as (partition by object_id order by resource_version)
        ) as steps
        join objects on objects.id = object_id
        where steps.generation > before + 1""")
    for uid, name, before, after, low, high in jumps:
        covering = rows(
            "select cause from gaps where kind = 'statefulsets'"
            f" and coalesce(last_version, 0) <= {high} and coalesce(next_version, {high}) >= {low}"
        )
        assert covering, f"I6: {name} {uid}: generation {before} to {after} without a gap"


def _refuse_secret(secret: bytes, values: Sequence[bytes], ledger: Path) -> None:
    assert not any(secret in value for value in values), "I7: a secret is in the log"
    for path in ledger.parent.iterdir():
        if path.is_file():
            assert secret not in path.read_bytes(), f"I7: a secret is in {path.name}"
