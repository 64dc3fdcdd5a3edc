"""Secrets leave a document here, before anything is written anywhere.

Every string of the document is examined, by the name beside it (secret_names.py) and by what it
looks like (secret_rules.py). What is hidden becomes a keyed tag, so "changed", "same" and "changed
back" stay visible. Fails closed: what cannot be examined raises, and the caller withholds it.

The same strings come by again and again, so a verdict is kept per key and string: the walk over an
object that was seen before is little more than one dictionary lookup per string.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ledger import own_rules
from ledger.errors import RedactionFailed
from ledger.inner_json import parsed, spelled
from ledger.own_rules import OwnRules
from ledger.secret_names import (
    LOGINS,
    MAPS,
    NO_SECRET,
    OWN_FIELDS,
    PROGRAMS,
    REFERENCES,
    TAG,
    WHOLE_MANIFESTS,
    Says,
    announces,
    is_bare_hash,
    program_in,
    says,
)
from ledger.secret_rules import secret_spans
from ledger.verdicts import Context, Field, Mark, Table

Policy = Literal["secrets", "strict", "off"]
"""`secrets` hides what a name or a form betrays; `strict` also every env value and argument; `off`
hides nothing.
"""


@dataclass(frozen=True, slots=True)
class Redacted:
    """A document without secrets; `touched` when anything was replaced."""

    document: dict[str, Any]
    touched: bool


class Redactor:
    """Redacts under one policy and one key. Keeps verdicts, so it is for one thread."""

    def __init__(
        self, policy: Policy, key_id: str, key: bytes, own: OwnRules = own_rules.NONE
    ) -> None:
        self.policy = policy
        self.own = own
        self.key_id = key_id
        self.key = key
        self._tables: dict[Context, Table] = {}
        self._forget()

    @property
    def rules(self) -> str:
        """Which rules these are: empty for the built-in ones alone, else 8 hex digits."""
        return self.own.digest

    def redact(self, document: dict[str, Any]) -> Redacted:
        """A copy of a JSON document in which every secret is a tag; parts without secrets are
        shared with the document, which stays as it was.

        Raises RedactionFailed, which names no value, when any part cannot be examined.
        """
        if self.policy == "off":
            return Redacted(document, False)
        if self._entries_left < 0 or self._bytes_left < 0:
            self._forget()
        try:
            changed = self._map(document, self._tables[Context.FIELDS])
        except Exception as wrong:  # noqa: BLE001 - fails closed, whatever went wrong
            failure = type(wrong).__name__
        else:
            return Redacted(document if changed is None else changed, changed is not None)
        # Raised out here, the error does not carry the other one, whose words may hold a value.
        raise RedactionFailed(f"the object could not be examined for secrets ({failure})") from None

    def tag(self, value: str) -> str:
        """What stands for a value, equal for equal values and one key; for a tag, the tag."""
        if TAG.fullmatch(value):
            return value
        digest = hmac.digest(self.key, value.encode("utf-8", "surrogatepass"), "sha256")
        return f"redacted:{self.key_id}:{digest.hex()[:32]}"

    def _map(self, node: dict[str, Any], table: Table) -> dict[str, Any] | None:
        # Here and below, None says: leave it as it is.
        changes: dict[str, Any] | None = None
        for key, value in node.items():
            field = table[key]
            kind = value.__class__
            if kind is str:
                new = field[value]
            elif kind is dict:
                new = self._map(value, field.below) if value else None
            elif kind is list:
                new = self._list(value, field) if value else None
            elif value is None or kind is bool:
                continue
            else:
                new = self._number(value, self._paired(node) if key == "value" else field)
            if new is None:
                continue
            if new is _PAIR and (new := self._paired(node)[value]) is None:
                continue
            changes = changes or {}
            changes[key] = new
        if self._renamed and not self._renamed.keys().isdisjoint(node):
            renamed = {self._renamed.get(k, k): v for k, v in (node | (changes or {})).items()}
            if len(renamed) == len(node):
                return renamed
            raise ValueError("two keys became one")
        return node | changes if changes else None

    def _list(self, node: list[Any], field: Field) -> list[Any] | None:
        result: list[Any] | None = None
        for index, value in enumerate(node):
            kind = value.__class__
            new: Any
            if kind is dict:
                new = self._map(value, field.below)
            elif kind is str:
                new = field.elements[value]
                if new.__class__ is Mark:
                    return self._arguments(node, field)
            elif kind is list:
                new = self._list(value, field)
            elif value is None or kind is bool:
                continue
            else:
                new = self._number(value, field)
            if new is not None:
                result = result or node.copy()
                result[index] = new
        return result

    def _number(self, value: object, field: Field) -> str | None:
        if not isinstance(value, int | float):
            raise TypeError(f"not JSON: {type(value).__name__}")
        return self.tag(spelled(value)) if field.hides_numbers else None

    def _paired(self, node: dict[str, Any]) -> Field:
        """What is known about the name beside `value`: `{name, value}` as in env and httpHeaders,
        or `{key, value}` unless it is a toleration.
        """
        name = node.get("name")
        if name is None and "operator" not in node and "effect" not in node:
            name = node.get("key")
        return self._tables[Context.NAMES][name if isinstance(name, str) else ""]

    def _arguments(self, node: list[Any], field: Field) -> list[Any] | None:
        """A list in which one element says what the next one is: a flag, or a program's flag."""
        result: list[Any] = []
        flag = program = ""
        for index, value in enumerate(node):
            new = field.elements[value] if isinstance(value, str) else self._list([value], field)
            if not isinstance(value, str):
                new = new and new[0]
            elif new is Mark.COMMAND:
                new = self._argument(value) if index == 0 else self._changed(value)
            elif flag and not _FLAG.match(value):
                new = self._tables[Context.NAMES][flag][value]
            elif program:
                new = self._argument_of(program, value)
            flag = value if new is Mark.FLAG else "password" if new is Mark.PROGRAM_FLAG else ""
            program = (program_in(value) if isinstance(value, str) else "") or program
            if value == "login" and f"{program} login" in LOGINS:
                program = f"{program} login"
            result.append(value if new is None or isinstance(new, Mark) else new)
        return None if result == node else result

    def _argument_of(self, program: str, value: str) -> Any:
        flag = re.match((PROGRAMS | LOGINS).get(program, "-p(?!$)"), value)
        if flag is None:
            return self._argument(value)
        start = flag.end() + value.startswith("=", flag.end())
        if start == len(value):
            return Mark.PROGRAM_FLAG
        return (
            None if NO_SECRET.fullmatch(value[start:]) else value[:start] + self.tag(value[start:])
        )

    def _named(self, name: str, text: str) -> str | None:
        if announces(name, text, self.own.names):
            return self._changed(text)
        verdict = self._text(text)
        return self._changed(text) if verdict is None and is_bare_hash(name, text) else verdict

    def _argument(self, text: str) -> Any:
        flag = _FLAG.fullmatch(text)
        if (
            flag is not None
            and flag["value"]
            and announces(flag["name"], flag["value"], self.own.names)
        ):
            text = f"{flag['name']}={self.tag(flag['value'])}"
            return self._text(text) or text
        verdict = self._named("", text)
        if verdict is None and flag is not None and flag["value"] is None:
            return None if says(text, self.own.names) is Says.NOTHING else Mark.FLAG
        return Mark.PROGRAM if verdict is None and program_in(text) else verdict

    def _changed(self, text: str) -> str | None:
        new = self.tag(text) if text else text
        return None if new == text else new

    def _below_secret(self, text: str) -> str | None:
        plain = self.policy != "strict" and NO_SECRET.fullmatch(text)
        return None if plain else self._changed(text)

    def _text(self, text: str) -> str | None:
        try:
            inner = parsed(text) if text.lstrip()[:1] in ("{", "[", '"') else None
            if inner is None:
                return self._tagged(text)
            changed = self._list([inner], self._tables[Context.NAMES][""])
        except RecursionError:
            return self._changed(text)
        return None if changed is None else spelled(changed[0])

    def _tagged(self, text: str, *, beside_names: bool = True) -> str | None:
        """The text with a tag for every secret in it; one tag for all if that never settles."""
        result = text
        for _ in range(_PASSES):
            spans = secret_spans(result, beside_names=beside_names, own=self.own)
            if not spans:
                return None if result == text else result
            parts, last = [], 0
            for start, end in spans:
                parts += [result[last:start], self.tag(result[start:end])]
                last = end
            result = "".join([*parts, result[last:]])
        return self._changed(text)

    def learn(self, context: Context, key: str) -> Field:
        """What the key says about what is under it."""
        below = self._below(context, key)
        field = Field(self, self._judge(context, key), self._tables[below])
        field.elements = Field(self, self._judge_of_elements(key, below), self._tables[below])
        field.hides_numbers = (
            announces(key, "1234", self.own.names) or field.judge == self._below_secret
        )
        mark = key[:2] if key[:2] in ("v:", "k:") else ""
        written = None if _PLAIN_KEY.fullmatch(key) else self._text(key.removeprefix(mark))
        if written is not None:
            self._renamed[key] = mark + written
        return field

    def _below(self, context: Context, key: str) -> Context:
        if key.startswith(("f:", "k:")) or key == "imagePullSecrets":
            return Context.FIELDS
        says_secret = says(key, self.own.names) is not Says.NOTHING or key.endswith("ecretRef")
        if context is Context.HIDDEN or says_secret:
            return Context.HIDDEN
        if key in MAPS:
            return Context.ANNOTATIONS if key == "annotations" else Context.NAMES
        return Context.ENV if self.policy == "strict" and key == "env" else Context.FIELDS

    def _judge(self, context: Context, key: str) -> Callable[[str], Any]:
        if key in WHOLE_MANIFESTS:
            return self._changed
        if context is Context.HIDDEN and key not in REFERENCES:
            return self._below_secret
        if context is Context.ANNOTATIONS and self.own.allows(key):
            return self._text
        people = (Context.NAMES, Context.ANNOTATIONS)
        if key == "value" and context not in people:
            return self._changed if context is Context.ENV else lambda _: _PAIR
        if key in OWN_FIELDS and context not in people:
            return partial(self._tagged, beside_names=False)
        return partial(self._named, key)

    def _judge_of_elements(self, key: str, below: Context) -> Callable[[str], Any]:
        if below is Context.HIDDEN:
            return self._below_secret
        if self.policy == "strict" and key in ("args", "command"):
            return self._changed if key == "args" else lambda _: Mark.COMMAND
        return self._argument

    def remember(self, table: dict[str, Any], text: str, verdict: Any) -> None:
        """Keep a verdict, and count the room it takes."""
        self._entries_left -= 1
        size = len(text) + (len(verdict) if isinstance(verdict, str) else 0)
        self._bytes_left -= size
        if size <= _LONGEST_KEPT:
            table[text] = verdict

    def _forget(self) -> None:
        # Tables and fields hold each other: a large memory would wait for the garbage collector.
        for field in [each for table in self._tables.values() for each in table.values()]:
            field.elements.clear()
            field.clear()
        self._tables = {context: Table(self, context) for context in Context}
        self._renamed: dict[str, str] = {}
        self._entries_left = _ENTRIES
        self._bytes_left = _BYTES


_PAIR = Mark.PAIR
"""Looked up once: the attribute of an Enum is slow, and it is asked for every string."""


_FLAG = re.compile(r"(?P<name>--?[A-Za-z][\w.-]*)(?:=(?P<value>.*))?", re.DOTALL)
_PLAIN_KEY = re.compile(r"(?:f:)?[a-z][A-Za-z.]{0,30}")
_PASSES = 4
_ENTRIES = 65_536
_BYTES = 16 * 2**20
_LONGEST_KEPT = 65_536
