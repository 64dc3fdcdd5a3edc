"""An installation's own redaction rules: a TOML file beside the data.

A rule carries the texts that it must hide and must not; they are checked when the file is read, so
a mistyped pattern is refused at the start and not found out from a leak. Patterns that could take
for ever are refused too: by their shape, and by a trial in a process that is ended in time.
What the built-in rules are is secret_rules.py's and secret_shapes.py's matter.
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger.errors import ConfigurationInvalid
from ledger.secret_text import Rule, rule

FILE = "redaction.toml"
"""Below the data folder; used when it is there."""

LONGEST_TEXT = 4096
"""Own patterns see a longer text in stretches of this many characters, each half over the last."""

TRIAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class OwnRules:
    """What an installation adds to the built-in rules, or takes from them."""

    digest: str = ""
    """8 hex digits of the file's SHA-256; empty for none."""

    annotations: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()

    def allows(self, annotation: str) -> bool:
        """Whether the annotation's name says nothing, whatever words are in it."""
        return any(fnmatch.fnmatchcase(annotation, pattern) for pattern in self.annotations)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the own rules see a secret."""
        if not self.rules:
            return
        for start in range(0, max(1, len(text) - LONGEST_TEXT // 2), LONGEST_TEXT // 2):
            piece = text[start : start + LONGEST_TEXT]
            for each in self.rules:
                for first, last in each.secrets(piece):
                    yield start + first, start + last


NONE = OwnRules()


def read(path: Path, *, trial_seconds: float = TRIAL_SECONDS) -> OwnRules:
    """The rules of a file. Raises ConfigurationInvalid for a file that cannot be read, is not what
    it should be, has a rule that fails its own examples, or a pattern that takes too long.
    """
    try:
        content = path.read_bytes()
        raw = tomllib.loads(content.decode())
    except (OSError, ValueError) as wrong:
        why = (wrong.strerror or "") if isinstance(wrong, OSError) else _one_line(str(wrong))
        raise _invalid(path, f"cannot be read: {why}", "see docs/redaction.md") from None
    try:
        return _rules(raw, hashlib.sha256(content).hexdigest()[:8], trial_seconds)
    except _Wrong as wrong:
        raise _invalid(path, str(wrong), wrong.hint) from None


class _Wrong(Exception):
    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


def _invalid(path: Path, what: str, hint: str) -> ConfigurationInvalid:
    return ConfigurationInvalid(f"redaction rules {path}: {what}", hint=hint)


def _rules(raw: Mapping[str, Any], digest: str, trial_seconds: float) -> OwnRules:
    known = ("allow_annotations", "secret_names", "rules")
    for key in raw:
        if key not in known:
            raise _Wrong(f"{key!r} is not known", f"known are {', '.join(known)}")
    annotations = _texts(raw, "allow_annotations", "the file")
    names = _texts(raw, "secret_names", "the file")
    for name in names:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", name):
            raise _Wrong(f"{name!r} in secret_names is not one word", "write api_pin as two: pin")
    tables = raw.get("rules", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _Wrong("rules are not tables", "begin each rule with [[rules]]")
    rules = tuple(_rule(table) for table in tables)
    _try_all(rules, trial_seconds)
    return OwnRules(digest, annotations, frozenset(name.lower() for name in names), rules)


def _texts(raw: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = raw.get(key, [])
    if not isinstance(found, list) or not all(isinstance(text, str) and text for text in found):
        raise _Wrong(f"{key} of {where} is not a list of texts", f'write {key} = ["…"]')
    return tuple(found)


def _rule(raw: Mapping[str, Any]) -> Rule:
    name, pattern = raw.get("name"), raw.get("pattern")
    if not (isinstance(name, str) and name and isinstance(pattern, str)):
        raise _Wrong("a rule lacks its name or pattern", "write name = \"…\" and pattern = '…'")
    if unknown := set(raw) - {"name", "pattern", "examples", "keeps"}:
        raise _Wrong(f"rule {name!r}: {min(unknown)!r} is not known", "see docs/redaction.md")
    examples, keeps = (_texts(raw, key, f"rule {name!r}") for key in ("examples", "keeps"))
    if not examples or not keeps:
        raise _Wrong(f"rule {name!r} lacks examples or keeps", "give at least one of each")
    _refuse_nested(name, pattern)
    try:
        made = rule(name, pattern, examples, keeps)
    except (re.error, RecursionError, OverflowError) as wrong:
        raise _Wrong(f"rule {name!r}: {_one_line(str(wrong))}", "mend the pattern") from None
    if set(made.pattern.groupindex) != {"secret"}:
        raise _Wrong(
            f"rule {name!r} has not exactly the group (?P<secret>…)", "put it around what to hide"
        )
    return made


def _check_examples(made: Rule) -> None:
    for example in made.examples:
        text = example.replace("«", "").replace("»", "")
        marked, last = "", 0
        for start, end in made.secrets(text):
            marked += f"{text[last:start]}«{text[start:end]}»"
            last = end
        if marked + text[last:] != example:
            raise _Wrong(
                f"rule {made.name!r} does not hide its example {_short(example)}",
                "mark with « and » what the rule must hide, and mend pattern or example",
            )
    for kept in made.keeps:
        if any(made.secrets(kept)):
            raise _Wrong(
                f"rule {made.name!r} hides what it should keep, {_short(kept)}",
                "make the pattern narrower",
            )


def _refuse_nested(name: str, pattern: str) -> None:
    """Refuse a repeated group in which something is repeated or can be read in two ways: matching
    it can take a time exponential in its text.
    """
    plain = re.sub(r"\\.", "a", pattern, flags=re.DOTALL)
    plain = re.sub(r"\[\^?\]?[^\]]*\]", "a", plain)
    loose: list[bool] = [False]
    for at, letter in enumerate(plain):
        if letter == "(":
            loose.append(False)
        elif letter == ")" and len(loose) > 1:
            inner = loose.pop()
            again = re.match(r"[*+]|\{\d*,?(\d*)\}", plain[at + 1 :])
            if inner and again:
                raise _Wrong(
                    f"rule {name!r} repeats a group that repeats or chooses inside",
                    "such a pattern can take for ever; repeat single characters or classes only",
                )
            loose[-1] = loose[-1] or inner or bool(again)
        elif letter in "*+|{" or (letter == "?" and plain[at - 1 : at] not in ("(", "")):
            loose[-1] = True


def _try_all(rules: tuple[Rule, ...], trial_seconds: float) -> None:
    """The examples and the worst texts, in a process that can be ended when it takes too long."""
    for each in rules:
        marked = " ".join((*each.examples, *each.keeps))
        given = "\0".join((each.pattern.pattern, marked.replace("«", "").replace("»", "")))
        command = [sys.executable, "-I", "-c", _TRIAL, str(LONGEST_TEXT)]
        try:
            subprocess.run(
                command,
                input=given.encode(),
                timeout=trial_seconds,
                check=True,
                capture_output=True,
            )
        except subprocess.SubprocessError:
            raise _Wrong(
                f"rule {each.name!r} takes too long on long texts",
                "begin the pattern with fixed text, and bound what it repeats: {1,80}",
            ) from None
        _check_examples(each)


_TRIAL = """
import re, sys
size = int(sys.argv[1])
pattern, text = sys.stdin.buffer.read().decode().split("\\0", 1)
compiled = re.compile(pattern, re.DOTALL)
for seed in {text, *text.split(), *text, "a", "0", " ", "=", "a ", "a=", "aA0-"}:
    worst = (seed * size)[: size - 1]
    for end in ("", "!", "\\n"):
        for _ in compiled.finditer(worst + end):
            pass
"""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "…")
