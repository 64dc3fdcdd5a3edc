"""How one rule finds secrets in a text: where a value starts, how far it reaches, what is its own.

Values are read as shells, JSON, YAML, connection strings and sentences would read them; where they
disagree, the longer reading counts. The rules themselves are secret_rules.py's matter.

Every pattern is linear in its text: repetitions that could restart are bounded or begin at a
boundary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ledger.secret_names import NO_SECRET, Says, announces, says


@dataclass(frozen=True, slots=True)
class Rule:
    """One form of a secret in a text: `pattern`, and then `value` if there is one. The group
    `quoted`, `bare` or `secret` is what gets hidden, where there is a group `name` only if that
    name announces it.
    """

    name: str
    pattern: re.Pattern[str]
    value: re.Pattern[str] | None
    examples: tuple[str, ...]
    keeps: tuple[str, ...]

    def secrets(self, text: str, own: frozenset[str] = frozenset()) -> Iterator[tuple[int, int]]:
        """Start and end of every secret that this rule sees, in order and never empty."""
        done = 0
        for found in self.pattern.finditer(text):
            name = found["name"] if "name" in self.pattern.groupindex else None
            if name is not None and says(name, own) is Says.NOTHING:
                continue
            if self.value is not None:
                # What lies in a value already hidden is not read again: that would cost the square.
                value = self.value.match(text, found.end()) if found.end() >= done else None
                if value is None:
                    continue
                found = value
            start, end = _hidden(found)
            if _is_secret(name, text[start:end], own):
                done = end
                yield start, end


def rule(
    name: str, pattern: str, examples: tuple[str, ...], keeps: tuple[str, ...], value: str = ""
) -> Rule:
    """A row of the table, from its patterns."""
    compiled = re.compile(value, re.DOTALL) if value else None
    return Rule(name, re.compile(pattern, re.DOTALL), compiled, examples, keeps)


def _is_secret(name: str | None, value: str, own: frozenset[str]) -> bool:
    return not NO_SECRET.fullmatch(value) if name is None else announces(name, value, own)


def _hidden(found: re.Match[str]) -> tuple[int, int]:
    groups = found.groupdict()
    if groups.get("more"):
        return found.start("quote"), found.end("more")
    if groups.get("quoted") is not None:
        return found.span("quoted")
    start, end = found.span("bare" if groups.get("bare") else "secret")
    value = found.string[start:end]
    closers = [closer for closer, opener in _PAIRED if opener not in value]
    return start, start + len(value.rstrip(" \t\r\n,;." + "".join(closers)))


_PAIRED = ((")", "("), ("]", "["), ("}", "{"))
"""What ends a value unless it was opened inside it, as a sentence's or a list's end always does."""

_QUOTED = (
    r"(?P<quote>\\{0,8}[\"'`])(?P<quoted>(?:(?!(?P=quote))(?:\\.|[^\\]))*)(?:(?P=quote)|\\?\Z)"
    r"(?P<more>(?:[\w$+@%!#*~^?-]|/(?=\w)|\\'|\"[^\"\n]*\"|'[^'\n]*')*)"
)
_BARE = (
    r"(?:\$\([^()\n]*\)|\$\{[^{}\n]*\}|\{\{[^{}]*\}\}|\\[^\n\"'`]"
    r"|(?<=[\w\"'])(?:\"[\w$][^\"\n]*\"|'[\w$][^'\n]*')|(?<=\w)[\"'](?=\w)"
    r"|[^\s\"'`;&|,<>(){}\[\]\\]|[;&|,](?![\s;&|,\"'`]|[\w.-]{1,80}[=:]|\Z)"
    r"|[<>(){}\[\]](?![\s,;\"'`)}\]]|\Z))+"
)
VALUE = rf"(?:{_QUOTED}|(?P<bare>\[[^\[\]\n]{{0,2000}}\]|{_BARE}))"
"""A value, in quotes or bare, with what is glued to it."""
NAME = r"(?<![\w])(?P<name>-{0,2}[A-Za-z_][\w.-]{0,120})"
"""A name, with the dashes of a flag."""
