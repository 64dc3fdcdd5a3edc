"""The files of queries/: what their headers promise, and how they reach their rows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ledger import sql
from ledger.columns import SHOWN, aside
from ledger.store import Ledger
from tests.recorded import folded, values_of
from tests.web_ledger import columns_of, opened, questions_with

LARGE = ("observations", "objects", "leaves", "set_states", "pod_states")
"""Tables that grow with every record or object: no question may read all of one."""
EACH = ("revisions", "revision_states")
"""Tables that hold something of every workload."""
FLEET = {"changes"}
"""Asks for a workload by name, yet reads one timeline of all."""
PEOPLE_READ = 8
GROUND = {"views/credits", "views/timeline"}
"""Views that questions stand on and nobody reads as they are."""


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "ledger.db"
    Ledger.open(path).close()
    return path


def plan(ledger: Path, question: sql.Query) -> list[str]:
    asked = dict.fromkeys(question.parameters, "")
    with opened(ledger) as connection:
        steps = connection.execute(f"explain query plan {question.sql}", asked)
        return [step[3] for step in steps]


@pytest.mark.parametrize("question", sql.questions(), ids=lambda each: each.name)
def test_a_question_reads_no_large_table_from_end_to_end(question: sql.Query, empty: Path) -> None:
    scans = [step for step in plan(empty, question) if step.split()[:2] in _scans(LARGE)]
    assert scans == []


@pytest.mark.parametrize("question", questions_with("namespace", "name"), ids=lambda e: e.name)
def test_a_question_about_one_workload_reads_only_its_revisions(
    question: sql.Query, empty: Path
) -> None:
    if question.name not in FLEET:
        scans = [step for step in plan(empty, question) if step.split()[:2] in _scans(EACH)]
        assert scans == []


def _scans(tables: tuple[str, ...]) -> list[list[str]]:
    return [["SCAN", table] for table in tables]


@pytest.mark.parametrize("question", sql.questions(), ids=lambda each: each.name)
def test_a_question_has_the_parameters_it_announces(question: sql.Query) -> None:
    statement = "\n".join(x for x in question.sql.splitlines() if not x.startswith("--"))
    used = set(re.findall(r"(?<![:\w]):([a-z_]+)", re.sub(r"'[^']*'", "''", statement)))
    assert used == set(question.parameters)
    assert all(question.parameters.values())


@pytest.mark.parametrize("question", questions_with("limit"), ids=lambda each: each.name)
def test_a_question_with_a_limit_can_be_paged(question: sql.Query) -> None:
    assert "offset" in question.parameters


def test_no_two_questions_have_one_title() -> None:
    titles = [each.title for each in sql.questions()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("view", sql.views(), ids=lambda each: each.name)
def test_a_view_is_narrow_enough_to_read(view: sql.Query, empty: Path) -> None:
    with opened(empty) as connection:
        width = len(columns_of(connection, view.name.removeprefix("views/")))
    assert width <= PEOPLE_READ or view.name in GROUND
    assert view.description


def test_columns_left_aside_are_columns_of_their_question() -> None:
    for name, columns in SHOWN.items():
        assert set(columns) <= set(sql.load(name).columns), name
    for question in sql.questions():
        shown = [column for column in question.columns if column not in aside(question)]
        assert len(shown) <= 11, (question.name, shown)


def test_no_view_says_a_number_twice_that_was_used_twice(tmp_path: Path, tutorial: Path) -> None:
    with opened(folded(values_of(tutorial), tmp_path / "ledger.db")) as connection:
        rows = connection.execute("select workload, number from image_changes").fetchall()
    assert len(set(rows)) == len(rows)
    assert ("default/db~75ee", "2") in rows
