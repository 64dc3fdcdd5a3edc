"""Secrets leave a document here, before anything is written anywhere.

Every string of the document is examined, by the name beside it (secret_names.py) and by what it
looks like (secret_rules.py). What is hidden becomes a keyed tag, so "changed", "same" and "changed
back" stay visible. Fails closed: what cannot be examined raises, and the caller withholds it.

The same strings come by again and again, so a verdict is kept per key and string: the walk over an
object that was seen before is little more than one dictionary lookup per string.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, Literal

from ledger.errors import RedactionFailed
from ledger.secret_names import NO_SECRET, Says, announces, is_bare_hash, random_parts, says
from ledger.secret_rules import ATTACHED, HINT, PAIRS, PROGRAMS, SHAPES, Rule

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

    def __init__(self, policy: Policy, key_id: str, key: bytes) -> None:
        self.policy = policy
        self.key_id = key_id
        self.key = key
        self._forget()

    def redact(self, document: dict[str, Any]) -> Redacted:
        """A copy of a JSON document in which every secret is a tag; parts without secrets are
        shared with the document, which stays as it was.

        Raises RedactionFailed, which names no value, when any part cannot be examined.
        """
        if self.policy == "off":
            return Redacted(document, False)
        try:
            changed = self._map(document, self._tables[_Context.FIELDS])
        except Exception as wrong:  # noqa: BLE001 - fails closed, whatever went wrong
            failure = type(wrong).__name__
        else:
            return Redacted(document if changed is None else changed, changed is not None)
        # Raised out here, the error does not carry the other one, whose words may hold a value.
        raise RedactionFailed(f"the object could not be examined for secrets ({failure})") from None

    def tag(self, value: str) -> str:
        """What stands for a value: equal for equal values under one key. A tag stands for itself."""
        if _TAG.fullmatch(value):
            return value
        digest = hmac.digest(self.key, value.encode("utf-8", "surrogatepass"), "sha256")
        return f"redacted:{self.key_id}:{digest.hex()[:32]}"

    # The walk: each step answers None for "leave it as it is".

    def _map(self, node: dict[str, Any], table: _Table) -> dict[str, Any] | None:
        changes: dict[str, Any] = {}
        new: Any
        for key, value in node.items():
            field = table[key]
            kind = value.__class__
            if kind is str:
                new = field[value]
                if new is _Mark.VALUE:
                    new = self._value_of_pair(node, value)
            elif kind is dict:
                new = self._map(value, field.below) if value else None
            elif kind is list:
                new = self._list(value, field) if value else None
            else:
                new = self._scalar(value, field)
            if new is not None:
                changes[key] = new
        if self._renamed and not self._renamed.isdisjoint(node):
            return _renamed(node | changes, self._renamed)
        return node | changes if changes else None

    def _list(self, node: list[Any], field: _Field) -> list[Any] | None:
        changes: dict[int, Any] = {}
        new: Any
        for index, value in enumerate(node):
            kind = value.__class__
            if kind is dict:
                new = self._map(value, field.below)
            elif kind is str:
                new = field.items[value]
                if new.__class__ is _Mark:
                    return self._arguments(node, field)
            elif kind is list:
                new = self._list(value, field)
            else:
                new = self._scalar(value, field)
            if new is not None:
                changes[index] = new
        return [changes.get(i, value) for i, value in enumerate(node)] if changes else None

    def _arguments(self, node: list[Any], field: _Field) -> list[Any] | None:
        """A list in which one element announces another: a flag, or a program with such a flag."""
        result: list[Any] = []
        name, program = "", ""
        for index, value in enumerate(node):
            if not isinstance(value, str):
                result.append((self._list([value], field) or [value])[0])
                name = ""
                continue
            new = field.items[value]
            if name and not value.startswith("-"):
                new = self._tables[_Context.NAMES][name][value]
            elif new is _Mark.COMMAND:
                new = self._argument(value) if index == 0 else self._changed(value)
            elif program:
                new = self._program_argument(program, value)
            if new is _Mark.FLAG or (program and value in PROGRAMS.get(program, ())):
                name = value if new is _Mark.FLAG else "password"
            else:
                name = ""
            program = _program(value) or program
            result.append(value if new is None or new.__class__ is _Mark else new)
        return None if result == node else result

    def _program_argument(self, program: str, value: str) -> Any:
        flags = ("-p",) if program in ATTACHED else PROGRAMS[program]
        for flag in flags:
            attached = value.removeprefix(flag)
            attached = attached.removeprefix("=") if flag.startswith("--") else attached
            if value.startswith(flag) and attached and attached != value:
                return None if NO_SECRET.fullmatch(attached) else flag + self.tag(attached)
        return self._argument(value)

    def _value_of_pair(self, node: dict[str, Any], value: str) -> str | None:
        """`{name, value}`, as in env and httpHeaders, or `{key, value}` unless it is a toleration."""
        name = node.get("name")
        if not isinstance(name, str):
            name = "" if "operator" in node or "effect" in node else node.get("key")
        table = self._tables[_Context.NAMES]
        verdict: str | None = table[name if isinstance(name, str) else ""][value]
        return verdict

    def _scalar(self, value: object, field: _Field) -> str | None:
        if value is None or isinstance(value, bool):
            return None
        if not isinstance(value, int | float):
            raise TypeError(f"not JSON: {type(value).__name__}")
        return self.tag(json.dumps(value)) if field.hides_numbers else None

    # What one string becomes.

    def _changed(self, text: str) -> str | None:
        new = self.tag(text) if text else text
        return None if new == text else new

    def _named(self, name: str, text: str) -> str | None:
        if announces(name, text):
            return self._changed(text)
        verdict = self._text(text)
        return self._changed(text) if verdict is None and is_bare_hash(name, text) else verdict

    def _hide(self, text: str) -> str | None:
        return None if NO_SECRET.fullmatch(text) else self._changed(text)

    def _own(self, text: str) -> str | None:
        """Names and ids of Kubernetes' own: random by nature, so only known forms count."""
        return self._without(text, SHAPES) if HINT.search(text.lower()) else None

    def _argument(self, text: str) -> Any:
        flag = _FLAG.fullmatch(text)
        if flag is not None and says(text) is not Says.NOTHING:
            if flag["value"] is None:
                return _Mark.FLAG
            if announces(flag["name"], flag["value"]):
                return f"{flag['name']}={self.tag(flag['value'])}"
        return _Mark.PROGRAM if _program(text) else self._named("", text)

    def _text(self, text: str) -> str | None:
        if len(text) < _SHORTEST:
            return None
        if text.lstrip()[:1] in ("{", "[", '"'):
            inner = _json(text)
            if inner is not None:
                return self._json(text, inner)
        if HINT.search(text.lower()):
            return self._without(text, (*PAIRS, *SHAPES, random_parts))
        return self._without(text, (random_parts,)) if _LONG.search(text) else None

    def _json(self, text: str, inner: Any) -> str | None:
        try:
            changed = self._list([inner], self._tables[_Context.NAMES][""])
        except RecursionError:
            return self._changed(text)
        return None if changed is None else _spelled(changed[0])

    def _without(self, text: str, rules: Iterable[Any]) -> str | None:
        """The text with a tag for every stretch that a rule finds; hidden whole if that never
        settles.
        """
        result = text
        for _ in range(_PASSES):
            spans = _spans(result, rules)
            if not spans:
                return None if result == text else result
            for start, end in reversed(spans):
                result = result[:start] + self.tag(result[start:end]) + result[end:]
        return self._changed(text)

    # What is known about each key.

    def _learn(self, context: _Context, key: str) -> _Field:
        below = _below(context, key, strict=self.policy == "strict")
        judge: Callable[[str], Any] = partial(self._named, key)
        if key in _WHOLE:
            judge = self._changed
        elif context is _Context.HIDDEN and key not in _REFERENCE:
            judge = self._hide
        elif key == "value" and context in (_Context.FIELDS, _Context.ENV):
            judge = self._changed if context is _Context.ENV else _ask
        elif context is not _Context.NAMES and key in _OWN:
            judge = self._own
        field = _Field(self, judge, self._tables[below])
        field.items = _Field(self, self._item_judge(key, below, judge), self._tables[below])
        field.hides_numbers = judge == self._hide or announces(key, "1234")
        written = self._key(key)
        if written is not None:
            self._renamed[key] = written
        return field

    def _item_judge(
        self, key: str, below: _Context, judge: Callable[[str], Any]
    ) -> Callable[[str], Any]:
        if below is _Context.HIDDEN:
            return self._hide
        if self.policy == "strict" and key in ("args", "command"):
            return self._changed if key == "args" else lambda _: _Mark.COMMAND
        return self._own if judge == self._own else self._argument

    def _key(self, key: str) -> str | None:
        """A key that carries a value, as in managedFields (`v:"text"`, `k:{"name":"x"}`)."""
        mark, value = (key[:2], key[2:]) if key[:2] in ("v:", "k:") else ("", key)
        new = self._text(value) if mark or not _IDENTIFIER.fullmatch(key) else None
        return None if new is None else mark + new

    def _remember(self, table: dict[str, Any], text: str, verdict: Any) -> None:
        size = len(text) + (len(verdict) if isinstance(verdict, str) else 0)
        if size > _LONGEST_KEPT:
            return
        self._entries_left -= 1
        self._bytes_left -= size
        if self._entries_left < 0 or self._bytes_left < 0:
            self._forget()
        table[text] = verdict

    def _forget(self) -> None:
        self._tables = {context: _Table(self, context) for context in _Context}
        self._renamed: dict[str, str] = {}
        self._entries_left = _ENTRIES
        self._bytes_left = _BYTES


class _Context(Enum):
    """Whose keys these are."""

    FIELDS = 0
    NAMES = 1
    """Names that people chose: annotations, labels, volume attributes, env entries."""
    HIDDEN = 2
    """Below a name that announces a secret."""
    ENV = 3
    """Env entries, under the policy `strict`."""


class _Mark(Enum):
    """What a string needs that its own verdict cannot give."""

    VALUE = 0
    FLAG = 1
    PROGRAM = 2
    COMMAND = 3


class _Field(dict[str, Any]):
    """Verdicts on the strings under one key: None leaves it, text replaces it, a mark looks on."""

    __slots__ = ("below", "hides_numbers", "items", "judge", "redactor")

    def __init__(self, redactor: Redactor, judge: Callable[[str], Any], below: _Table) -> None:
        self.redactor = redactor
        self.judge = judge
        self.below = below
        self.hides_numbers = False

    def __missing__(self, text: str) -> Any:
        verdict = self.judge(text)
        self.redactor._remember(self, text, verdict)
        return verdict


class _Table(dict[str, _Field]):
    """The keys of one context."""

    __slots__ = ("context", "redactor")

    def __init__(self, redactor: Redactor, context: _Context) -> None:
        self.redactor = redactor
        self.context = context

    def __missing__(self, key: str) -> _Field:
        field = self.redactor._learn(self.context, key)
        self.redactor._remember(self, key, field)
        return field


def _below(context: _Context, key: str, *, strict: bool) -> _Context:
    if key.startswith(("f:", "k:")) or key in ("imagePullSecrets", "managedFields"):
        return _Context.FIELDS
    if context is _Context.HIDDEN or says(key) is not Says.NOTHING:
        return _Context.HIDDEN
    if key in _MAPS:
        return _Context.NAMES
    return _Context.ENV if strict and key == "env" else _Context.FIELDS


def _ask(_: str) -> _Mark:
    return _Mark.VALUE


def _program(text: str) -> str:
    name = text.rpartition("/")[2]
    return name if name in PROGRAMS or name in ATTACHED else ""


def _spans(text: str, rules: Iterable[Any]) -> list[tuple[int, int]]:
    """What the rules find, in order, overlaps joined, without what lies inside a tag."""
    found = sorted(
        span
        for rule in rules
        for span in (rule.secrets(text) if isinstance(rule, Rule) else rule(text))
    )
    tags = [tag.span() for tag in _TAG.finditer(text)] if found and "redacted:" in text else []
    joined: list[tuple[int, int]] = []
    for start, end in found:
        if any(first <= start and end <= last for first, last in tags):
            continue
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _json(text: str) -> Any:
    """The JSON that a text is, or None: also where a name occurs twice, for the first would go
    unseen.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a name occurs twice")
    return result


def _spelled(document: Any) -> str:
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return text if text.isprintable() else json.dumps(document, separators=(",", ":"))


def _renamed(node: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    result = {names.get(key, key): value for key, value in node.items()}
    if len(result) < len(node):
        raise ValueError("two keys became one")
    return result


_TAG = re.compile(r"redacted:[0-9A-Za-z._-]+:[0-9a-f]{32}(?![0-9a-f])")
_FLAG = re.compile(r"(?P<name>--?[A-Za-z][\w.-]*)(?:=(?P<value>.*))?", re.DOTALL)
_LONG = re.compile(r"[A-Za-z0-9+/_-]{32}")
_IDENTIFIER = re.compile(r"(?:f:)?[A-Za-z.]{1,40}")
_SHORTEST = 5
"""Nothing shorter holds both a name and a value."""
_PASSES = 4
_ENTRIES = 65_536
_BYTES = 16 * 2**20
_LONGEST_KEPT = 65_536

_WHOLE = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        "banzaicloud.com/last-applied",
        "objectset.rio.cattle.io/applied",
    )
)
"""Annotations that repeat a whole manifest."""
_MAPS = frozenset(
    [
        "annotations",
        "labels",
        "matchLabels",
        "nodeSelector",
        "volumeAttributes",
        "options",
        "parameters",
    ]
)
_REFERENCE = frozenset(
    [
        "apiGroup",
        "apiVersion",
        "audience",
        "defaultMode",
        "expirationSeconds",
        "fieldPath",
        "group",
        "key",
        "kind",
        "mode",
        "name",
        "namespace",
        "optional",
        "path",
        "secretName",
        "type",
        "uid",
    ]
)
"""What may stand below a field that is named after a secret and only points to it."""
_OWN = frozenset(
    [
        "apiVersion",
        "claimName",
        "containerID",
        "controllerRevisionHash",
        "currentRevision",
        "finalizers",
        "generateName",
        "hostIP",
        "hostname",
        "image",
        "imageID",
        "kind",
        "name",
        "namespace",
        "nodeName",
        "podIP",
        "resourceVersion",
        "secretName",
        "serviceAccount",
        "serviceAccountName",
        "storageClassName",
        "subPath",
        "subdomain",
        "time",
        "type",
        "uid",
        "updateRevision",
        "volumeHandle",
        "volumeName",
    ]
)
"""Kubernetes' own fields for names and ids."""
