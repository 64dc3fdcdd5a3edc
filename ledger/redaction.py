"""Secrets leave a document here, before anything is written anywhere.

Every string of the document is examined, by its name and by its shape (secret_rules.py); what is
hidden becomes a keyed tag, so "changed", "same" and "changed back" stay visible. Fails closed: what
cannot be examined raises, and the caller withholds the object.
"""

from __future__ import annotations

import hmac
import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from ledger.errors import RedactionFailed
from ledger.secret_rules import SHAPES, Says, says

Policy = Literal["secrets", "strict", "off"]
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True, slots=True)
class Redacted:
    """A document without secrets; `touched` when anything was replaced."""

    document: dict[str, Any]
    touched: bool


class Redactor:
    """Redacts under one policy and one key."""

    def __init__(self, policy: Policy, key_id: str, key: bytes) -> None:
        self.policy = policy
        self.key_id = key_id
        self.key = key

    def redact(self, document: dict[str, Any]) -> Redacted:
        """A copy of the document in which every secret is a tag; parts without secrets are shared
        with the input, which stays as it was. Raises RedactionFailed, without naming any value.
        """
        if self.policy == "off":
            return Redacted(document, False)
        try:
            result = self._walk(document, "", False)
        except (RecursionError, ValueError, TypeError, KeyError, AttributeError) as wrong:
            raise RedactionFailed(f"redaction failed: {type(wrong).__name__}") from None
        return Redacted(result, result is not document)

    def tag(self, value: str) -> str:
        """The replacement of a value; a tag stays itself."""
        if _TAG.fullmatch(value):
            return value
        digest = hmac.digest(self.key, value.encode("utf-8", "surrogatepass"), "sha256").hex()
        return f"redacted:{self.key_id}:{digest[:32]}"

    def _walk(self, node: Any, name: str, strict: bool) -> Any:
        if isinstance(node, str):
            return self.tag(node) if strict and node else self._value(name, node)
        if isinstance(node, dict):
            return self._dict(node, name)
        if isinstance(node, list):
            return self._list(node, name)
        return node

    def _dict(self, node: dict[str, Any], parent: str) -> dict[str, Any]:
        changed = {}
        for key, value in node.items():
            name = key
            if key == "value" and isinstance(node.get("name"), str):
                name = node["name"]
            strict = self.policy == "strict" and parent == "env" and key == "value"
            new = self._walk(value, name, strict)
            if key[:2] == "v:":
                key = self._text(key)
            if new is not value or key not in node:
                changed[key] = new
        return node if not changed else node | changed

    def _list(self, node: list[Any], name: str) -> list[Any]:
        result, hide = [], False
        for index, value in enumerate(node):
            strict = self.policy == "strict" and (
                name == "args" or (name == "command" and index > 0)
            )
            result.append(
                self.tag(value)
                if hide and isinstance(value, str)
                else self._walk(value, name, strict)
            )
            hide = (
                isinstance(value, str)
                and value.startswith("-")
                and "=" not in value
                and says(value) is Says.SECRET
            )
        return node if all(a is b for a, b in zip(node, result, strict=True)) else result

    def _value(self, name: str, value: str) -> str:
        if name == LAST_APPLIED:
            return self.tag(value)
        said = says(name)
        if said is Says.SECRET and not _PLAIN.fullmatch(value):
            return self.tag(value)
        if said is Says.PATH and value[:1] not in "/.~$":
            return self.tag(value)
        return self._text(value)

    def _text(self, text: str) -> str:
        if text[:1] in "{[":
            try:
                inner = json.loads(text)
            except ValueError:
                pass
            else:
                new = self._walk(inner, "", False)
                return text if new is inner else json.dumps(new, separators=(",", ":"))
        text = _PAIR.sub(self._pair, text)
        for rule in SHAPES:
            text = rule.pattern.sub(self._group, text)
        return text

    def _pair(self, found: re.Match[str]) -> str:
        if says(found["name"]) is not Says.SECRET:
            return found[0]
        value = found["secret"]
        return found[0] if _PLAIN.fullmatch(value) else self._group(found)

    def _group(self, found: re.Match[str]) -> str:
        start, end = found.span("secret")
        offset = found.start()
        return found[0][: start - offset] + self.tag(found["secret"]) + found[0][end - offset :]


_TAG = re.compile(r"redacted:[0-9A-Za-z]+:[0-9a-f]{32}")
_PLAIN = re.compile(r"(?i:true|false|yes|no|)|\$\w+|\$\{\w+\}|\$\(\w+\)|redacted:\w+:[0-9a-f]{32}")
_PAIR = re.compile(
    r"(?:(?P<name>[A-Za-z_][\w.-]*)=|--(?P<flag>[\w.-]+)[ ])['\"]?(?P<secret>[^\s'\"&;]+)".replace(
        "(?P<name>[A-Za-z_][\\w.-]*)=|--(?P<flag>[\\w.-]+)[ ]",
        "(?P<name>[A-Za-z_-][\\w.-]*)(?:=|(?<=\\w) (?!-))",
    )
)
