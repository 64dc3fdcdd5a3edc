"""Times and numbers that are easily taken for others: of pods that were away, of numbers that were
given again, of records that came twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ledger.model import timestamp
from ledger.reader import LocalReader
from ledger.status import standing, standing_at
from tests.chronicle import UID, Chronicle, at

WEEK = 7 * 86_400


@pytest.fixture
def told() -> Chronicle:
    """A set of two pods that has come up."""
    chronicle = Chronicle()
    chronicle.begin()
    chronicle.state(100, 1, 10, "app:1", replicas=2)
    chronicle.revision(101, 1, 10.1, "aaaa", "app:1")
    chronicle.state(102, 1, 10.2, "app:1", replicas=2, **status(1, "aaaa"))
    chronicle.pod(103, 15, "web-0", "aaaa", created=11, ready=15)
    chronicle.pod(104, 18, "web-1", "aaaa", created=15, ready=18)
    chronicle.state(105, 1, 19, "app:1", replicas=2, **status(1, "aaaa", pods=2))
    return chronicle


def status(generation: int, revision: str, *, pods: int = 0) -> dict[str, Any]:
    """The status of a set all of whose pods are on one revision."""
    named = {"updateRevision": f"web-{revision}", "currentRevision": f"web-{revision}"}
    counts = dict.fromkeys(("readyReplicas", "availableReplicas", "updatedReplicas"), pods)
    return {"observedGeneration": generation, **named, **counts}


def test_a_pod_that_was_away_for_a_week_has_not_been_replaced_for_so_long(
    told: Chronicle, tmp_path: Path
) -> None:
    told.state(110, 2, 100, "app:1", **status(2, "aaaa", pods=2))
    told.pod(111, 101, "web-1", "aaaa", created=15, ready=18, ends=True)
    told.pod(112, 102, "web-1", "aaaa", created=15, ready=18, ends=True, gone=True)
    told.state(120, 3, WEEK, "app:2", replicas=2, **status(2, "aaaa", pods=1))
    told.revision(121, 2, WEEK + 0.1, "bbbb", "app:2")
    told.state(122, 3, WEEK + 0.2, "app:2", replicas=2, **status(3, "bbbb", pods=1))
    told.pod(123, WEEK + 6, "web-1", "bbbb", created=WEEK + 1, ready=WEEK + 6)
    reader = LocalReader(told.ledger(tmp_path))
    [row] = reader.query("rollout_pods", {"workload_uid": UID, "number": "2"})
    assert (row["pod"], row["replaced"], row["took_seconds"]) == ("web-1", None, 5.0)


def test_a_pod_that_was_evicted_after_a_rollout_is_not_made_for_it(
    told: Chronicle, tmp_path: Path
) -> None:
    told.pod(110, 9_000, "web-1", "aaaa", created=15, ready=18, ends=True, gone=True)
    told.pod(111, 9_010, "web-1", "aaaa", created=9_002, ready=9_010)
    reader = LocalReader(told.ledger(tmp_path))
    rows = reader.query("rollout_pods", {"workload_uid": UID, "number": "1"})
    assert [row["uid"] for row in rows] == ["web-0/11", "web-1/15"]


def test_a_revision_that_is_made_again_after_a_deletion_has_its_new_number(
    told: Chronicle, tmp_path: Path
) -> None:
    told.state(120, 2, 20, "app:2", replicas=2, **status(1, "aaaa", pods=2))
    told.revision(121, 2, 20.1, "bbbb", "app:2")
    told.revision(131, 3, 30.1, "cccc", "app:3")
    told.revision(141, 4, 40.1, "bbbb", "app:2")
    for version, seconds, number, name in ((151, 50, 3, "cccc"), (152, 51, 4, "bbbb")):
        told.revision(version, number, seconds, name, "app:2", gone=True)
    told.revision(153, 2, 52, "bbbb", "app:2", uid="again")
    told.state(154, 2, 53, "app:2", replicas=2, **status(2, "bbbb", pods=2))
    reader = LocalReader(told.ledger(tmp_path))
    assert standing(reader, UID).numbers["web-bbbb"] == 2
    for seconds, number in ((25, 2), (45, 4), (53, 2)):
        then = timestamp(at(seconds))
        [row] = [
            row
            for row in reader.query("revision_numbers", {"workload_uid": UID, "at": then})
            if row["name"] == "web-bbbb"
        ]
        assert row["number"] == number, seconds


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_a_state_that_was_recorded_twice_the_earlier_record_tells_since_when(
    order: tuple[int, int], tmp_path: Path
) -> None:
    chronicle = Chronicle()
    chronicle.begin()
    chronicle.state(100, 1, 10, "app:1", **status(1, "aaaa", pods=1))
    for seconds in (20, 40):
        chronicle.pod(101, seconds, "web-0", "aaaa", created=11, ready=15)
    values = [*chronicle.values[:-2], *(chronicle.values[-2:][each] for each in order)]
    chronicle.values = values
    reader = LocalReader(chronicle.ledger(tmp_path))
    then = standing_at(reader, values.__getitem__, UID, timestamp(at(30)))
    assert [(pod.name, pod.ready) for pod in then.pods] == [("web-0", True)]
