"""`undo` to what ran at a time and to what last worked, on a real control plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from ledger.model import timestamp, utc_now
from tests.lab.cluster import Cluster
from tests.lab.workloads import Workload
from tests.undoing import Scene, scene

APP = Workload("app", "app:1.0", replicas=2, claims=0)
BAD = "app:4.0-bad"
"""An image that nobody can pull."""


@pytest.fixture(scope="module")
def stage(control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A namespace of its own, recorded."""
    with scene(control_plane, tmp_path_factory.mktemp("when")) as made:
        yield made


@pytest.fixture(scope="module")
def ran_at(stage: Scene) -> dict[str, str]:
    """When each of three editions ran; then came a bad one."""
    times = {}
    for edition in ("app:1.0", "app:2.0", "app:3.0"):
        stage.rolled_out(replace(APP, image=edition))
        times[edition] = timestamp(utc_now())
    stage.rolled_out(replace(APP, image=BAD))
    return times


@pytest.mark.timeout(120)
def test_undo_goes_to_what_last_worked_and_to_what_ran_at_a_time(
    stage: Scene, ran_at: dict[str, str]
) -> None:
    assert stage.image("app") == BAD
    done = stage.undo("sts/app", "--to-last-good", "--unstick", "-y")
    assert done.exit == 0, done.stderr
    assert stage.image("app") == "app:3.0"
    stage.recorded()
    for edition in ("app:1.0", "app:3.0", "app:2.0"):
        done = stage.undo("sts/app", "--to-time", ran_at[edition], "-y")
        assert (done.exit, stage.image("app")) == (0, edition), done.stderr
        stage.recorded()
    rows = stage.line.items("history", "sts/app", "-n", stage.namespace)
    assert [(row["trigger"], row["status"]) for row in rows[:4]] == [("undo", "complete")] * 4


def test_a_time_before_it_was_there_is_refused_and_nothing_is_done(
    stage: Scene, ran_at: dict[str, str]
) -> None:
    before = stage.raw_set("app")["metadata"]["generation"]
    refused = stage.undo("sts/app", "--to-time", "2026-01-01T00:00:00Z", "-y")
    assert (refused.exit, refused.stdout) == (3, "")
    assert "app is not known to have been there at 2026-01-01" in refused.stderr
    assert "hint: it was first recorded at" in refused.stderr
    assert stage.raw_set("app")["metadata"]["generation"] == before
