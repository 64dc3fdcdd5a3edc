"""What a pod carries is in use, however old: a revision's end is told with the pods of its time."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ledger.envelope import parse
from ledger.store import Ledger
from tests.cases import case
from tests.lab.recording import STREAMS
from tests.recorded import folded, values_of
from tests.test_fold_interleavings import doubled, form
from tests.test_fold_order import from_the_middle, shuffled

SHUFFLES = 12
SINCE, UNTIL = "2026-11-23T12:59:04", "2026-11-23T12:59:30"

# The limit is 3. Revision 6 was undone at 12:59:05 while pod web-2 was on it; that pod's end,
# version 861 at 12:59:08.696, freed it, and 19 ms later revision 2 (868) was one too many.
STUCK = "web-6d75c74cdf"
LAST_STATE = b'"resourceversion":"859"'
END = (b'"resourceversion":"861"', b'"time":"2026-11-23T12:59:08.695797Z"')

Change = Callable[[bytes], list[bytes]]


def ends_at(time: str, version: str = "861") -> Change:
    """The pod's end as it would have been told at another time of that day."""

    def change(value: bytes) -> list[bytes]:
        told = value.replace(END[1], f'"time":"2026-11-23T{time}Z"'.encode())
        return [
            told.replace(b'"861"', f'"{version}"'.encode()).replace(
                b"/861/", b"/%b/" % version.encode()
            )
        ]

    return change


def never(_: bytes) -> list[bytes]:
    """The pod is stuck for good."""
    return []


def pods_end(change: Change) -> list[bytes]:
    """What a watcher recorded while the limit took revision 2, the end of that pod changed."""
    values = [v for v in values_of(STREAMS / "demo.jsonl.zst") if parse(v).time < UNTIL]
    (end,) = [v for v in values if all(part in v for part in END)]
    at = values.index(end)
    start = next(index for index, value in enumerate(values) if parse(value).time > SINCE)
    return from_the_middle([*values[:at], *change(end), *values[at + 1 :]], start)


PARTS = pytest.mark.parametrize(
    ("change", "why"),
    [
        (ends_at("12:59:08.695797"), "history limit 3"),
        (never, "deleted by hand"),
        (ends_at("12:59:25.000000", "870"), "deleted by hand"),
        # It may have been gone already when the controller looked.
        (ends_at("12:59:10.000000", "870"), "history limit 3"),
        # A watch that was interrupted tells of it late; its version says that it was before.
        (ends_at("12:59:25.000000"), "history limit 3"),
    ],
    ids=["as it was", "never", "long after", "just after", "told late"],
)


@case(19, stream="constructed")
@PARTS
def test_a_revision_that_a_stuck_pod_carries_is_not_counted_against_the_limit(
    change: Change, why: str, tmp_path: Path
) -> None:
    assert reasons(folded(pods_end(change), tmp_path / "ledger.db"))[2] == why


@case(19, stream="constructed")
@PARTS
def test_when_the_pods_end_is_folded_makes_no_difference(
    change: Change, why: str, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.db"
    Ledger.open(path).close()
    empty, values, dice = path.read_bytes(), pods_end(change), random.Random(why)
    expected = form(values, path, empty, batch=5000)
    for batch in random.Random(why).choices((1, 20, 200), k=SHUFFLES):
        mixed = shuffled(doubled(values, dice), dice)
        assert form(mixed, path, empty, batch=batch) == expected


@case(19, stream="constructed")
def test_a_pod_relabelled_about_then_may_have_freed_its_revision(tmp_path: Path) -> None:
    values = [
        value.replace(STUCK.encode(), b"web-5c68f9566d") if LAST_STATE in value else value
        for value in pods_end(never)
    ]
    assert values != pods_end(never)
    assert reasons(folded(values, tmp_path / "ledger.db"))[2] == "history limit 3"


def reasons(ledger: Path) -> dict[int, str]:
    """Why each revision of shop/web went, by its number."""
    statement = """
        select number, pruned_why from revisions
        join workloads on workloads.uid = revisions.workload_uid
        where workloads.name = 'web' and pruned_why is not null"""
    with closing(sqlite3.connect(ledger)) as connection:
        return dict(connection.execute(statement).fetchall())
