"""Originals of a real cluster: past the history limit and past deletion, each opens to what was."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from ledger.canonical import from_bytes, normal_template
from ledger.log.sqlite import LogFile
from ledger.model import Position
from ledger.originals import Original, Wanted, from_sealed
from ledger.sealing import open_identities
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.scenario import applied
from tests.lab.users import WATCHER
from tests.lab.workloads import Workload
from tests.line import Line

ROLLOUTS = 12
RESTARTED_AFTER = 5
PATIENCE_SECONDS = 60.0
WEB = Workload("web", "nginx:1.24", replicas=1, claims=0, history_limit=2)
OPENED = """
select distinct revisions.name, restorable_why, template, sealed.position
from revisions
join templates on templates.id = template_id
join sealed on template_digest = digest
"""


def edition(number: int) -> Workload:
    """One of the rollouts, each with secrets of its own."""
    return replace(
        WEB,
        image=f"nginx:1.{number}",
        env={"DB_PASSWORD": secret(number), "LOG_LEVEL": "info"},
        command=("sh", "-c", f"exec nginx --auth-token {secret(number)} <&- # v{number} & 'é'"),
    )


def secret(number: int) -> str:
    """What nobody may read."""
    return f"CANARY-{number:04}-zqxjkwv"


def test_each_of_many_rollouts_can_be_opened_when_kubernetes_has_forgotten_it(
    control_plane: Cluster, driver: Driver, namespace: str, tmp_path: Path
) -> None:
    identity, data = tmp_path / "identity", tmp_path / "line"
    given: dict[str, Mapping[str, Any]] = {}
    line = Line(data, control_plane.kubeconfig(WATCHER), namespace)
    recipient = line.run("keys", "identity", "--out", str(identity)).strip()
    with line:
        applied(driver, edition(0))
        driver.settled()
        given |= templates(driver)
        assert opened_later(line) == []
        # What was recorded before anybody sealed is sealed as soon as somebody does.
        line.watching = ("--seal-to", recipient)
        restarted(line)
        wait_until(lambda: len(opened_later(line)) == 1)
        for number in range(1, ROLLOUTS):
            applied(driver, edition(number))
            driver.settled()
            given |= templates(driver)
            if number == RESTARTED_AFTER:
                restarted(line)
        driver.run("delete", "sts/web")
        driver.settled()
        line.wait_for(driver.live_versions(), seconds=30)
    assert len(given) == ROLLOUTS
    rows = opened_later(line)
    # A watcher that started again has not sealed anew what was sealed.
    assert sorted(name for name, *_ in rows) == sorted(given)
    assert {why for _, why, *_ in rows} == {"sealed"}
    assert templates(driver) == {}
    with LogFile.open(data / "log" / "log.db", writable=False) as log:
        for name, _, template, position in rows:
            wanted = Wanted("web", name, from_bytes(template.encode()))
            opened = from_sealed(log.get(Position(position)), open_identities(identity), wanted)
            assert opened == Original(given[name], "sealed", "matches")
    assert "CANARY" in str(given)
    files = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert [str(path) for path, content in files.items() if b"CANARY" in content] == []


def restarted(line: Line) -> None:
    """End the watcher in order, and start another."""
    assert line.stop("watch") == 0
    line.start("watch")


def opened_later(line: Line) -> list[tuple[Any, ...]]:
    """The revisions in the ledger of which there is a sealed original."""
    with closing(sqlite3.connect(f"{line.ledger.as_uri()}?mode=ro", uri=True)) as ledger:
        return ledger.execute(OPENED).fetchall()


def wait_until(true: Callable[[], bool]) -> None:
    """Return once it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def templates(driver: Driver) -> dict[str, Mapping[str, Any]]:
    """The pod template of every ControllerRevision that the API server has, by name."""
    return {
        raw["metadata"]["name"]: normal_template(raw["data"]["spec"]["template"])
        for raw in driver.api.items("controllerrevisions", driver.namespace)
    }
