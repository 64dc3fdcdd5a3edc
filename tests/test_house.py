"""The house rules that a machine can hold."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ledger.cli import COMMANDS
from ledger.sql import home, questions

ROOT = Path(__file__).parent.parent
PRODUCT = sorted(p for folder in ("ledger", "consumers") for p in (ROOT / folder).rglob("*.py"))
LONGEST_MODULE = 350
LONGEST_FUNCTION = 60
QUERIES = sorted(home().rglob("*.sql"))


@pytest.mark.parametrize("path", PRODUCT, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_and_functions_stay_within_their_sizes(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= LONGEST_MODULE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= LONGEST_FUNCTION, (node.name, lines)


@pytest.mark.parametrize("path", PRODUCT, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_say_why_they_exist(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", QUERIES, ids=lambda p: str(p.relative_to(home())))
def test_sql_is_lower_case(path: Path) -> None:
    statement = "\n".join(
        line for line in path.read_text().splitlines() if not line.startswith("--")
    )
    words = re.sub(r"'[^']*'", "''", statement)
    assert words == words.lower()


def test_every_question_is_used_or_listed_for_people() -> None:
    assert all(each.title and each.description for each in questions())


def test_every_command_is_in_the_readme_or_the_docs() -> None:
    told = (ROOT / "README.md").read_text() + (ROOT / "CHANGELOG.md").read_text()
    assert [name for name in COMMANDS if name not in told] == []
