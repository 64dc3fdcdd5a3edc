"""Who did it, on a real control plane: what the ledger says, against what each did."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.lab.control_plane import ControlPlane
from tests.lab.driver import Driver
from tests.lab.users import WATCHER
from tests.lab.writers_scenario import Book, Who, play
from tests.line import Line
from tests.real import ask

ROOT = Path(__file__).parent.parent
METADATA = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata, verbs: [create, update, patch, delete, deletecollection]}]
"""
SETTLE_SECONDS = 10.0


@dataclass
class Told:
    """What a ledger says of the authors in a book, against the book."""

    right: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def told(line: Line, book: Book) -> Told:
    """Every write and deletion of the book as the ledger has it."""
    found = {
        (uid, what, generation): (Who(actor, impersonated), basis)
        for uid, what, generation, actor, impersonated, basis in ask(
            line, "select uid, what, generation, actor, impersonated, basis from authors"
        )
    }
    expected = {(uid, "write", generation): who for (uid, generation), who in book.writes.items()}
    expected |= {(uid, "deletion", 0): who for uid, who in book.deletions.items()}
    result = Told()
    for key, who in expected.items():
        actor, basis = found.get(key, (None, "unknown"))
        if actor is None:
            result.missing.append(f"{key}: {who}")
        elif basis == "claimed":
            result.right["claimed"] += 1
        elif actor == who:
            result.right[basis] += 1
        else:
            result.wrong.append(f"{key}: {actor} {basis}, not {who}")
    generations = {(uid, generation) for uid, generation in book.writes}
    for uid, what, generation in found:
        is_ours = what == "write" and any(uid == each for each, _ in generations)
        if is_ours and (uid, generation) not in generations:
            result.wrong.append(f"{uid} {generation}: nobody wrote that")
    return result


def caught_up(line: Line, driver: Driver, count: int) -> None:
    """Return when the ledger is where the cluster is, and has so many audit records."""
    line.wait_for(driver.live_versions(), seconds=SETTLE_SECONDS)
    deadline = time.monotonic() + SETTLE_SECONDS
    while ask(line, "select count(*) from actions")[0][0] < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def audited(plane: ControlPlane, namespace: str) -> int:
    """How many finished requests to our kinds in a namespace the audit log holds."""
    lines = map(json.loads, plane.audit_log.read_text().splitlines())
    wanted = ("statefulsets", "scale")
    return sum(
        1
        for event in lines
        if event.get("objectRef", {}).get("namespace") == namespace
        and event["objectRef"].get("resource") == "statefulsets"
        and event["objectRef"].get("subresource", "") in ("", *wanted)
    )


@pytest.fixture
def scene(
    control_plane: ControlPlane, namespace: str, driver: Driver, tmp_path: Path
) -> Iterator[tuple[Line, Book]]:
    """A line with the audit log of the run's control plane, and an empty book."""
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("an outside cluster's audit log is not at hand")
    options = ("--audit-log", str(control_plane.audit_log))
    kubeconfig = control_plane.kubeconfig(WATCHER)
    with Line(tmp_path / "line", kubeconfig, namespace, watching=options) as line:
        yield line, Book(driver)


@pytest.mark.timeout(300)
def test_every_write_has_its_author_among_dry_runs_and_no_ops(
    scene: tuple[Line, Book], control_plane: ControlPlane, namespace: str
) -> None:
    line, book = scene
    play(book, control_plane, seed=4)
    caught_up(line, book.driver, audited(control_plane, namespace))
    found = told(line, book)
    assert (found.wrong, found.missing) == ([], [])
    assert (book.dry_runs >= 20, book.no_ops >= 20, book.collections >= 5) == (True, True, True)
    assert len(book.writes) >= 40
    assert len(set(book.writes.values())) == 5
    assert set(found.right) <= {"exact", "probable"}
    assert found.right["exact"] >= 0.97 * found.right.total()
