"""Orders the tests of a mutant by what they cost: most mutants die of a quick one.

A pytest plugin for `make mutants` only (`-p tests.quickest_first`): mutmut hands the tests that
reach a mutant over in no order, and ends with the first that fails.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

MEASURED = Path("mutmut-stats.json")
"""What mutmut measured, in the directory where it runs the tests."""
CHEAP = {"request", "monkeypatch", "capsys", "caplog", "_rows_are_examined"}
CHEAP |= {"tmp_path", "tmp_path_factory"}
"""Fixtures that cost nothing; the others may fold a recording, which no test's own time shows."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the quickest first, as far as they were measured."""
    if not MEASURED.exists():
        return
    seconds: dict[str, float] = json.loads(MEASURED.read_text("utf-8"))["duration_by_test"]

    def cost(item: pytest.Item) -> tuple[bool, float]:
        given = getattr(getattr(item, "callspec", None), "params", {})
        fixtures = {*getattr(item, "fixturenames", ())} - CHEAP - given.keys()
        return bool(fixtures), seconds.get(item.nodeid, 0.0)

    items.sort(key=cost)
