"""The page of faults is made from the tests, and every row of the matrix has one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import conftest, faults
from tests.faults import MOOT, ROWS, TESTS

PAGE = TESTS.parent / "docs" / "faults.md"


@pytest.fixture(scope="module")
def found() -> list[faults.Tested]:
    """Every test of a row."""
    return faults.tested()


def test_the_page_is_what_the_tests_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == faults.page(), "make docs"


def test_every_row_that_is_not_moot_has_a_test(found: list[faults.Tested]) -> None:
    assert set(ROWS) - set(MOOT) - {one.number for one in found} == set()


def test_every_test_of_a_row_is_of_one_that_there_is(found: list[faults.Tested]) -> None:
    assert {one.number for one in found} <= set(ROWS)
    assert set(MOOT) <= set(ROWS)


def test_no_test_carries_the_number_of_a_row_without_its_mark(found: list[faults.Tested]) -> None:
    marked = {one.place.split("::")[1] for one in found}
    prefixes = tuple(f"test_{row[0].lower()}{int(row[1:]):02d}_" for row in ROWS)
    defined = {
        line.split("def ")[1].split("(")[0]
        for path in TESTS.rglob("test_*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith(("def test_", "async def test_"))
    }
    assert {name for name in defined if name.startswith(prefixes)} == marked


def test_the_shared_fixture_holds_every_test_of_a_row_to_the_invariants() -> None:
    assert 'get_closest_marker("row")' in Path(conftest.__file__).read_text(encoding="utf-8")
