"""Past the history limit and past deletion: `undo` to revisions that the cluster no longer has."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from ledger.reader import LocalReader
from ledger.undo import ToRevision, Wish, apply, plan
from tests.lab.cluster import Cluster
from tests.lab.process import free_ports
from tests.lab.workloads import Workload
from tests.line import environment
from tests.sealed import IDENTITIES
from tests.undoing import Scene, connected, scene

EDITIONS = 12
SECRET_EVERY = 3
"""Every third edition has a password of its own."""

LONG = Workload("long", "app:0", replicas=1, claims=0, history_limit=2)


@dataclass(frozen=True)
class Then:
    """An edition as it was when it ran: the template with everything in it, and its revision."""

    template: dict[str, Any]
    revision: str


@pytest.fixture(scope="module")
def stage(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A line that seals originals."""
    recipients = ("--seal-to", *IDENTITIES.recipients)
    with scene(control_plane, tmp_path_factory.mktemp("originals"), *recipients) as made:
        yield made


@pytest.fixture(scope="module")
def story(stage: Scene) -> list[Then]:
    """Twelve rollouts of one set with a history limit of two, each as it was."""
    found = []
    for number in range(1, EDITIONS + 1):
        env = {"DB_PASSWORD": f"hunter-{number}-of-many"} if number % SECRET_EVERY == 0 else {}
        stage.rolled_out(replace(LONG, image=f"app:{number}", env=env))
        found.append(now(stage))
    return found


def now(stage: Scene) -> Then:
    """How the set is."""
    raw_set = stage.raw_set("long")
    return Then(raw_set["spec"]["template"], raw_set["status"]["updateRevision"])


@pytest.mark.timeout(240)
async def test_every_edition_comes_back_as_it_was_with_its_secret_and_its_name(
    stage: Scene, control_plane: Cluster, story: list[Then]
) -> None:
    live = stage.driver.names("controllerrevisions")
    assert len(live) == 3
    sources = []
    async with connected(control_plane) as connection:
        for number, then in enumerate(story, start=1):
            wish = Wish(stage.namespace, "long", ToRevision(str(number)))
            made = await plan(connection, wish, stage.history(IDENTITIES))
            assert (await apply(connection, made)).ending == "rolled back"
            stage.driver.settled("long")
            assert now(stage) == then
            assert made.original.name_hash == "matches"
            assert not any("hunter" in str(each) for each in made.changes)
            sources.append(made.original.source)
    # Each undo pushes one of the last three out of the cluster.
    assert (sources.count("sealed"), sources.count("recorded")) == (4, 8)
    stage.recorded()
    rows = stage.line.items("history", "sts/long", "-n", stage.namespace)
    undone = [(each["trigger"], each["status"]) for each in rows if each["number"] > EDITIONS]
    assert undone == [("undo", "complete")] * EDITIONS


def test_without_the_identity_only_what_held_no_secret_comes_back(
    stage: Scene, story: list[Then], tmp_path: Path
) -> None:
    assert now(stage) != story[2]
    refused = stage.undo("sts/long", "--to-revision", "3", "-y")
    assert (refused.exit, refused.stdout) == (1, "")
    assert refused.stderr == (
        "error: revision 3 holds secrets, and its original is sealed\n"
        "hint: give the age identity that opens it: --identity FILE\n"
    )
    identity = tmp_path / "identity.txt"
    identity.touch(mode=0o600)
    identity.write_text(f"{IDENTITIES.keys[0]}\n")
    done = stage.undo("sts/long", "--to-revision", "3", "-y", "--identity", str(identity))
    assert done.exit == 0, done.stderr
    assert "from its sealed original; the hash in its name agrees" in done.stdout
    assert "hunter" not in done.stdout + done.stderr
    assert now(stage).template == story[2].template


def test_past_deletion_an_earlier_sets_edition_comes_back_with_its_secret(
    stage: Scene, story: list[Then], tmp_path: Path
) -> None:
    earlier = stage.raw_set("long")["metadata"]["uid"]
    stage.driver.run("delete", "sts/long", "--wait=true")
    stage.rolled_out(replace(LONG, image="app:anew"))
    elsewhere = stage.undo("sts/long", "--to-revision", "6", "-y")
    assert elsewhere.exit == 3
    assert f"hint: an earlier StatefulSet of this name had one: --incarnation {earlier[:8]}" in (
        elsewhere.stderr
    )
    identity = tmp_path / "identity.txt"
    identity.touch(mode=0o600)
    identity.write_text(f"{IDENTITIES.keys[0]}\n")
    of_then = ("--to-revision", "6", "--incarnation", earlier[:8], "--identity", str(identity))
    done = stage.undo("sts/long", *of_then, "-y", "--wait", "--timeout", "30s")
    assert done.exit == 0, done.stderr
    assert now(stage) == story[5]


def test_a_ledger_served_elsewhere_is_believed_only_as_far_as_it_can_be_checked(
    stage: Scene, story: list[Then]
) -> None:
    with serving(stage.line.ledger) as (honest, forged):
        second, third = (("--to-revision", each, *of_first(stage), "-y") for each in "23")
        refused = stage.undo("sts/long", *second, "--ledger", forged)
        assert refused.exit == 1
        assert "does not have the hash that is in the name" in refused.stderr
        sealed = stage.undo("sts/long", *third, "--ledger", honest)
        assert sealed.exit == 3
        assert "is sealed in the log, which is not at hand" in sealed.stderr
        done = stage.undo("sts/long", *second, "--ledger", honest)
    assert done.exit == 0, done.stderr
    assert "as it was recorded; the hash in its name agrees" in done.stdout
    assert now(stage).template == story[1].template


def of_first(stage: Scene) -> tuple[str, str]:
    """The set of the story, whether it lives or not."""
    rows = LocalReader(stage.line.ledger).query(
        "incarnations", {"namespace": stage.namespace, "name": "long"}
    )
    return "--incarnation", str(rows[-1]["uid"])


@contextmanager
def serving(ledger: Path) -> Iterator[tuple[str, str]]:
    """The addresses of a Datasette with the ledger, and of somebody who forges what it says."""
    (port,) = free_ports(1)
    arguments = [sys.executable, "-m", "ledger", "web", "--ledger", str(ledger)]
    with subprocess.Popen(
        [*arguments, "--port", str(port)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as web:
        assert web.stdout
        assert "Serving" in web.stdout.readline()
        forger = ThreadingHTTPServer(("127.0.0.1", 0), _Forger)
        _Forger.honest = f"http://127.0.0.1:{port}"
        thread = threading.Thread(target=forger.serve_forever)
        thread.start()
        try:
            yield f"{_Forger.honest}/ledger", f"http://127.0.0.1:{forger.server_port}/ledger"
        finally:
            forger.shutdown()
            thread.join()
            forger.server_close()
            web.terminate()


class _Forger(BaseHTTPRequestHandler):
    """Passes on what a ledger says, with another image in every template."""

    honest = ""

    def do_GET(self) -> None:
        """The forged answer."""
        with urlopen(f"{self.honest}{self.path}", timeout=20) as answer:
            raw = answer.read().replace(b"app:2", b"app:6")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
