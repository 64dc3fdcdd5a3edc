"""A real API server tells its audit events to a receiver that is killed, slow and full in turn."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.event import action_of
from tests.authors import authors, changes_of, told
from tests.lab.book import Book, Who
from tests.lab.certificates import authority_and_serving_certificate
from tests.lab.cluster import Cluster
from tests.lab.control_plane import ControlPlane
from tests.lab.driver import Driver
from tests.lab.operator import Operator
from tests.lab.process import free_ports
from tests.lab.users import ADMIN, ALICE, BOB, DEPLOYER, WATCHER
from tests.lab.writers_scenario import WEB
from tests.line import Line
from tests.real import ask, end

POLICY = Path(__file__).parent.parent / "compose" / "kubernetes" / "audit-policy.yaml"
NAMESPACE, TARGET = "audited", "sts/web"
PEOPLE = (Who(ALICE), Who(BOB), Who(DEPLOYER), Who(ADMIN, ALICE))
HELD_SECONDS = 60.0
"""So long the API server may take to send again what it kept, or to give up."""

QUIET_SECONDS = 8.0
"""When nothing has come for longer than the server waits between two tries, nothing will."""

FAST = ("--audit-webhook-mode=batch", "--audit-webhook-batch-max-wait=1s")
DROPPED = re.compile(r'apiserver_audit_error_total\{plugin="webhook"\} (\d+)')


@dataclass
class Told:
    """A control plane that tells its audit events to a line, and that line."""

    plane: ControlPlane
    line: Line

    def events(self) -> list[dict[str, Any]]:
        """What the API server's own audit log holds."""
        return [json.loads(raw) for raw in self.plane.audit_log.read_text().splitlines()]

    def dropped(self) -> int:
        """How many events the API server has given up on sending."""
        text = self.plane.administer("get", "--raw", "/metrics")
        found = DROPPED.search(text)
        return int(found[1]) if found else 0


@pytest.fixture
def audited(control_plane: Cluster, tmp_path: Path) -> Iterator[Told]:
    """A control plane with the shipped policy, and a watcher that is its webhook."""
    if not isinstance(control_plane, ControlPlane):
        pytest.skip("an outside cluster's audit webhook is not ours to set")
    (port,) = free_ports(1)
    authority, serving = authority_and_serving_certificate()
    files = {"ca": authority, "cert": serving.certificate, "key": serving.key, "token": "t" * 32}
    paths = {name: tmp_path / name for name in files}
    for name, text in files.items():
        paths[name].write_text(text)
    told_by = tmp_path / "webhook.yaml"
    told_by.write_text(json.dumps(_kubeconfig(port, paths["ca"], files["token"])))
    flags = (f"--audit-webhook-config-file={told_by}", "--audit-webhook-initial-backoff=1s", *FAST)
    hook = ("--audit-webhook", f"127.0.0.1:{port}", "--audit-webhook-token-file", paths["token"])
    tls = ("--audit-webhook-cert", paths["cert"], "--audit-webhook-key", paths["key"])
    with ControlPlane(apiserver_flags=flags, audit_policy=POLICY) as plane:
        plane.make_namespace(NAMESPACE)
        options = tuple(map(str, (*hook, *tls)))
        with Line(
            tmp_path / "line", plane.kubeconfig(WATCHER), NAMESPACE, watching=options
        ) as line:
            yield Told(plane, line)


def _kubeconfig(port: int, authority: Path, token: str) -> dict[str, Any]:
    cluster = {"server": f"https://127.0.0.1:{port}/", "certificate-authority": str(authority)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "ledger", "cluster": cluster}],
        "users": [{"name": "server", "user": {"token": token}}],
        "contexts": [{"name": "audit", "context": {"cluster": "ledger", "user": "server"}}],
        "current-context": "audit",
    }


@pytest.mark.timeout(300)
def test_what_the_api_server_still_held_is_there_and_what_it_dropped_names_nobody(
    audited: Told,
) -> None:
    plane, line = audited.plane, audited.line
    driver = Driver(plane, namespace=NAMESPACE)
    with Operator(plane, NAMESPACE) as operator:
        book = Book(driver, operator)
        book.do(PEOPLE[0], "apply", "--server-side", "-f", "-", stdin=WEB.manifest())
        _write(book, "calm")
        line.kill("watch")
        _write(book, "killed")
        line.start("watch")
        _write(book, "again")
        with _asleep(line):
            _write(book, "slow")
        with _locked(line.data / "log" / "log.db"):
            _write_until(book, "full", lambda: '"busy"' in line.output("watch"))
        _write(book, "well")
        assert audited.dropped() == 0
        line.kill("watch")
        _write_until(book, "lost", lambda: audited.dropped() > 0)
        line.start("watch")
        _write(book, "back")
        book.do(PEOPLE[1], "scale", TARGET, "--replicas=2")
        book.do(PEOPLE[2], "delete", TARGET, deletes="statefulsets")
    missing = _missing(audited)
    assert 0 < len(missing) <= audited.dropped()
    line.wait_for(driver.settled().versions(), seconds=HELD_SECONDS)
    expected, found = changes_of(book), authors(line.ledger)
    result = told(found, expected)
    assert result.wrong == []
    assert set(result.by_basis) <= {"exact", "probable"}
    # Nobody is named where the record that would name them was dropped, and only there.
    assert 0 < len(result.unnamed) <= len(missing)
    assert len(expected) >= 20
    _check_policy(audited.events())
    end(line)


def _write(book: Book, word: str) -> None:
    """A write by each, in one another's way, and one that changes nothing."""
    for number, who in enumerate(PEOPLE):
        book.do(who, "set", "env", TARGET, f"LEVEL={word}-{number}")
    book.nothing("dry run", PEOPLE[1], "set", "env", TARGET, "LEVEL=dry", "--dry-run=server")


def _write_until(book: Book, word: str, happened: Callable[[], bool]) -> None:
    """Writes, one after the other, until it has happened."""
    deadline, number = time.monotonic() + HELD_SECONDS, 0
    while not happened():
        assert time.monotonic() < deadline, word
        number += 1
        who = PEOPLE[number % len(PEOPLE)]
        book.do(who, "set", "env", TARGET, f"LEVEL={word}-{number}")


@contextmanager
def _asleep(line: Line) -> Iterator[None]:
    """The watcher does nothing at all, and connections to it hang."""
    process = line.process("watch")
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
        time.sleep(2)
    finally:
        os.kill(process.pid, signal.SIGCONT)


@contextmanager
def _locked(log: Path) -> Iterator[None]:
    """Another program keeps the log to itself, so nothing more goes in."""
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute("begin immediate")
        try:
            yield
        finally:
            connection.execute("rollback")


def _missing(audited: Told) -> set[str]:
    """The ids of kept events that the API server has told to its file and not to the ledger, once
    nothing more comes of those it may still hold.
    """
    deadline = time.monotonic() + HELD_SECONDS
    missing, since = set[str](), time.monotonic()
    while time.monotonic() < min(deadline, since + QUIET_SECONDS):
        time.sleep(0.5)
        known = {row[0] for row in ask(audited.line, "select audit_id from actions")}
        found = {event["auditID"] for event in audited.events() if action_of(event)} - known
        missing, since = found, since if found == missing else time.monotonic()
    return missing


def _check_policy(events: list[dict[str, Any]]) -> None:
    """The shipped policy asks for writes to our kinds and nothing else."""
    verbs = {event["verb"] for event in events}
    kinds = {event["objectRef"]["resource"] for event in events}
    assert verbs <= {"create", "update", "patch", "delete", "deletecollection"}
    assert kinds <= {
        "statefulsets",
        "controllerrevisions",
        "pods",
        "persistentvolumeclaims",
        "persistentvolumes",
    }
    assert not any("status" in event["objectRef"].get("subresource", "") for event in events)
