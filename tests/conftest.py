"""Fixtures that many rooms share: the real parts of the lab, and recorded streams."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.invariants import EXAMINED
from tests.stories import Story

pytest_plugins = ["tests.lab.fixtures"]

STREAMS = Path(__file__).parent / "streams"


@pytest.fixture(scope="session")
def tutorial() -> Path:
    """The recording of the tutorial scenario: every behaviour the lab was seen to show, in a
    minute.
    """
    return STREAMS / "tutorial.jsonl.zst"


@pytest.fixture(scope="session")
def demo() -> Path:
    """The recording of the demo: a quarter of an hour of three workloads in two namespaces."""
    return STREAMS / "demo.jsonl.zst"


@pytest.fixture(scope="session")
def rollouts(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The recorded story of every way in which a rollout goes on, stops or seems to be done."""
    return Story("rollouts", tmp_path_factory.mktemp("rollouts"))


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The recorded story of claims and volumes."""
    return Story("volumes", tmp_path_factory.mktemp("volumes"))


@pytest.fixture(scope="session")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The tutorial, step by step."""
    return Story("tutorial", tmp_path_factory.mktemp("tutorial"))


@pytest.fixture(autouse=True)
def _rows_are_examined(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test of the fault matrix ends with the invariants, or it is none."""
    before = len(EXAMINED)
    yield
    if request.node.get_closest_marker("row"):
        assert len(EXAMINED) > before, "a row's test that never examined what was recorded"
