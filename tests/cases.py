"""The 73 cases of StatefulSet behaviour that must hold, and which tests stand for each.

A case is a fact about Kubernetes that a ledger must not get wrong. `@case(47, "…")` marks a test as
one of its own; a test of the marks holds them complete, and says where each stream comes from.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

Stream = Literal["live", "recorded", "constructed"]
"""A control plane that runs now, a stream that a real one gave, or one made up for the test."""

_Test = TypeVar("_Test", bound=Callable[..., Any])

TESTS = Path(__file__).parent
ALL_CASES = range(1, 74)


def case(number: int, *, stream: Stream) -> Callable[[_Test], _Test]:
    """Mark a test as one of a case's; its name says what it asserts."""

    def marked(test: _Test) -> _Test:
        assert number in ALL_CASES, f"there is no case {number}"
        pytest.mark.case(number, stream=stream)(test)
        return test

    return marked


@dataclass(frozen=True)
class Held:
    """One test of one case, as its source has it."""

    number: int
    stream: str
    name: str
    module: str


def held() -> list[Held]:
    """Every case-marked test of the tree, in the order of the cases."""
    found = [one for path in sorted(TESTS.rglob("test_*.py")) for one in _tests_of(path)]
    return sorted(found, key=lambda one: (one.number, one.module, one.name))


def _tests_of(path: Path) -> Iterator[Held]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "case":
                    stream = next(k.value for k in mark.keywords if k.arg == "stream")
                    yield Held(
                        ast.literal_eval(mark.args[0]),
                        ast.literal_eval(stream),
                        node.name,
                        path.relative_to(TESTS).as_posix(),
                    )
