"""Originals of a real cluster, sealed to recipients that are named and changed while it goes on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from ledger.canonical import from_bytes, normal_template
from ledger.errors import IdentityUnusable
from ledger.log.sqlite import LogFile
from ledger.model import Position
from ledger.originals import Wanted, from_sealed
from ledger.sealing import open_identities
from tests.lab.cluster import Cluster
from tests.lab.driver import Driver
from tests.lab.scenario import applied
from tests.lab.users import WATCHER
from tests.lab.workloads import Workload
from tests.line import Line

ROLLOUTS = 5
FIRST_SEALED_AFTER = 1
RESTARTED_AFTER = 2
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


def test_what_was_told_before_is_sealed_to_each_new_recipient_and_opens_when_it_is_gone(
    control_plane: Cluster, driver: Driver, namespace: str, tmp_path: Path
) -> None:
    identities, data = [tmp_path / "first", tmp_path / "second"], tmp_path / "line"
    given: dict[str, Mapping[str, Any]] = {}
    line = Line(data, control_plane.kubeconfig(WATCHER), namespace)
    recipients = [line.run("keys", "identity", "--out", str(each)).strip() for each in identities]
    with line:
        for number in range(ROLLOUTS):
            applied(driver, edition(number))
            driver.settled()
            given |= templates(driver)
            if number == FIRST_SEALED_AFTER:
                assert opened_later(line) == []
                line.watching = ("--seal-to", recipients[0])
                restarted(line)
                wait_until(lambda: len(opened_later(line)) == FIRST_SEALED_AFTER + 1)
            elif number == RESTARTED_AFTER:
                restarted(line)
        line.wait_for(driver.live_versions(), seconds=30)
        # A watcher that started again has not sealed anew what was sealed.
        assert sorted(name for name, *_ in opened_later(line)) == sorted(given)
        kept = templates(driver)
        line.watching = ("--seal-to", recipients[1])
        restarted(line)
        wait_until(lambda: len(opened_later(line)) == ROLLOUTS + len(kept))
        driver.run("delete", "sts/web")
        driver.settled()
        line.wait_for(driver.live_versions(), seconds=30)
    assert (len(given), len(kept)) == (ROLLOUTS, 3)
    assert templates(driver) == {}
    rows = opened_later(line)
    assert {why for _, why, *_ in rows} == {"sealed"}
    opened = [opens(data / "log" / "log.db", row, identities) for row in rows]
    assert {name: template for name, template, path in opened if path == identities[0]} == given
    assert {name: template for name, template, path in opened if path == identities[1]} == kept
    assert "CANARY" in str(given)
    files = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert [str(path) for path, content in files.items() if b"CANARY" in content] == []


def opens(
    log_path: Path, row: tuple[Any, ...], identities: list[Path]
) -> tuple[str, Mapping[str, Any], Path]:
    """A revision's name, its original, and the one identity that opens it."""
    name, _, template, position = row
    found = []
    with LogFile.open(log_path, writable=False) as log:
        record = log.get(Position(position))
    for path in identities:
        wanted = Wanted(name, from_bytes(template.encode()))
        with suppress(IdentityUnusable):
            found.append((from_sealed(record, open_identities(path), wanted), path))
    [(original, path)] = found
    assert (original.source, original.name_hash) == ("sealed", "matches")
    return name, original.template, path


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
