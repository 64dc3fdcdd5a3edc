"""What a redactor remembers: for each key of each context, its verdicts on the strings under it.

The same strings come by again and again, so a verdict is kept per key and string. How one is come
by is redaction.py's matter.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol


class Context(Enum):
    """Whose keys these are."""

    FIELDS = 0
    NAMES = 1
    """Names that people chose: labels, volume attributes, env entries."""
    HIDDEN = 2
    """Below a name that announces a secret."""
    ENV = 3
    """Env entries, under the policy `strict`."""
    ANNOTATIONS = 4
    """Names that people chose, of which some may be known to be harmless."""


class Mark(Enum):
    """What a string needs that its own verdict cannot give."""

    PAIR = 0
    FLAG = 1
    PROGRAM = 2
    PROGRAM_FLAG = 3
    COMMAND = 4


class Judge(Protocol):
    """Who comes by the verdicts."""

    def learn(self, context: Context, key: str) -> Field:
        """What is known about the strings under a key."""

    def remember(self, table: dict[str, Any], text: str, verdict: Any) -> None:
        """Keep a verdict, if there is room."""


class Field(dict[str, Any]):
    """Verdicts on the strings under one key: None leaves one, text replaces it, a mark looks on."""

    __slots__ = ("below", "elements", "hides_numbers", "judge", "redactor")

    elements: Field
    hides_numbers: bool

    def __init__(self, redactor: Judge, judge: Callable[[str], Any], below: Table) -> None:
        self.redactor = redactor
        self.judge = judge
        self.below = below

    def __missing__(self, text: str) -> Any:
        verdict = self.judge(text)
        self.redactor.remember(self, text, verdict)
        return verdict


class Table(dict[str, Field]):
    """The keys of one context."""

    __slots__ = ("context", "redactor")

    def __init__(self, redactor: Judge, context: Context) -> None:
        self.redactor = redactor
        self.context = context

    def __missing__(self, key: str) -> Field:
        field = self.redactor.learn(self.context, key)
        self.redactor.remember(self, key, field)
        return field
