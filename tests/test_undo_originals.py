"""Past the history limit and past deletion: `undo` to revisions that the cluster no longer has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from ledger.undo import ToRevision, Wish, apply, plan
from tests.lab.cluster import Cluster
from tests.lab.workloads import Workload
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
