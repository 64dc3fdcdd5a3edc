"""What a secret looks like: the names that announce one and the shapes that betray one.

A table, so that it can be read, argued about and tested row by row: every rule carries examples
that it must hide and examples that it must leave alone. How documents are walked and what a hidden
value is replaced with is redaction.py's matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Rule:
    """One shape. The group `secret` of `pattern` is what gets hidden; `hides` pairs a text with the
    part of it that must go, `keeps` are texts that the rule must not touch.
    """

    name: str
    pattern: re.Pattern[str]
    hides: tuple[tuple[str, str], ...]
    keeps: tuple[str, ...]


class Says(Enum):
    """What a name says about its value."""

    NOTHING = 0
    SECRET = 1
    PATH = 2
    """A secret's place (`PASSWORD_FILE`): nothing to hide as long as the value is a path."""


SHAPES: tuple[Rule, ...] = (
    Rule(
        "pem",
        re.compile(
            r"(?P<secret>-----BEGIN [A-Z0-9 ]+-----(?:.*?-----END [A-Z0-9 ]+-----|.*))", re.DOTALL
        ),
        (("x -----BEGIN KEY-----\nMII\n-----END KEY----- y",
          "-----BEGIN KEY-----\nMII\n-----END KEY-----"),),
        ("----- BEGIN of the show -----",),
    ),
    Rule(
        "jwt",
        re.compile(r"(?P<secret>\beyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)*)"),
        (("t eyJhbGciOi.eyJzdWIi.c2ln", "eyJhbGciOi.eyJzdWIi.c2ln"),),
        ("heyJude.mp3",),
    ),
    Rule(
        "aws access key id",
        re.compile(r"(?P<secret>\b(?:AKIA|ASIA)[A-Z0-9]{16}\b)"),
        (("id AKIAIOSFODNN7EXAMPLE.", "AKIAIOSFODNN7EXAMPLE"),),
        ("AKIA-region", "ASIATIC"),
    ),
    Rule(
        "github token",
        re.compile(r"(?P<secret>\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}))"),
        (("ghp_0123456789abcdefghijABCDEFGHIJ012345",
          "ghp_0123456789abcdefghijABCDEFGHIJ012345"),),
        ("ghp_short",),
    ),
    Rule(
        "slack token",
        re.compile(r"(?P<secret>\bxox[a-z]-[A-Za-z0-9-]{10,})"),
        (("xoxb-123456789012-abcdef", "xoxb-123456789012-abcdef"),),
        ("xoxo",),
    ),
    Rule(
        "vendor token",
        re.compile(
            r"(?P<secret>\b(?:[srp]k_(?:live|test)_\w{10,}|AIza[\w-]{30,}|glpat-[\w-]{15,}|npm_\w{30,}))"
        ),
        (("k=sk_live_0123456789abcdef", "sk_live_0123456789abcdef"),),
        ("npm_config_cache", "sk_live"),
    ),
    Rule(
        "authorization scheme",
        re.compile(r"(?i:\b(?:bearer|basic))\s+(?P<secret>(?=[^\s\"']*[0-9=])[\w.~+/=-]{8,})"),
        (("Bearer abc123def456", "abc123def456"),),
        ("Basic authentication", "bearer of bad news"),
    ),
    Rule(
        "url userinfo",
        re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/?#@:\"']*:)?(?P<secret>[^\s/?#@\"']+)@"),
        (("postgres://app:hunter2@db/shop", "hunter2"), ("https://tok3n@host/", "tok3n")),
        ("https://host/a@b", "docker.io/library/x@sha256:00"),
    ),
)

SECRET_WORDS = frozenset(
    "password passwords passwd pwd passphrase pass token tokens secret secrets credential"
    " credentials creds dsn authorization apikey cookie".split()
)
KEY_WORDS = frozenset(
    "api private access encryption secret master signing shared account session app license".split()
)
PLACE_WORDS = frozenset("file path dir".split())
OTHER_WORDS = frozenset(
    "name ref refs namespace ttl seconds timeout expiry expiration length size count enabled type"
    " policy algorithm audience issuer header mount mode url uri endpoint version class".split()
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def says(name: str) -> Says:
    """What a name (of an env entry, flag, annotation, field) says about its value."""
    words = [word.lower() for word in _WORD.findall(name.rpartition("/")[2])]
    if not _is_secret(words) or words[-1] in OTHER_WORDS:
        return Says.NOTHING
    return Says.PATH if words[-1] in PLACE_WORDS else Says.SECRET


def _is_secret(words: list[str]) -> bool:
    for index, word in enumerate(words):
        if word in SECRET_WORDS or word.endswith(("password", "passwd", "passphrase")):
            return True
        if word in ("key", "keys") and index and words[index - 1] in KEY_WORDS:
            return True
        if word == "string" and index and words[index - 1] == "connection":
            return True
    return False
