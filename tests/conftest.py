"""Fixtures that many rooms share: the real parts of the lab, and recorded streams."""

from __future__ import annotations

from pathlib import Path

import pytest

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
